//! The participant that does nothing, and tells who waits for it that a certain branch call came. It runs in the
//! measuring process, for raw DTM and for the orchestrators alike: telling costs the raw client no further call.
use super::wire;
use super::witness::Witness;
use amends_dtm::{BranchId, Gid, Op, metadata};
use amends_proto::amends::v1::noop_server::{Noop, NoopServer};
use amends_serve::listener;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::{Request, Response, Status};

/// A running no-op participant; dropping it ends it.
pub struct Participant {
    pub address: SocketAddr,
    pub ends: Ends,
    server: JoinHandle<()>,
}

impl Participant {
    /// Starts it on a free port. A witness looks at a sample of its calls before they are answered.
    pub async fn start(witness: Option<Arc<Witness>>) -> anyhow::Result<Participant> {
        let listener = listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let address = listener.local_addr()?;
        let ends = Ends::default();
        let service = NoopServer::new(Service { ends: ends.clone(), witness });
        let server = wire::serve(listener, service);
        Ok(Participant { address, ends, server })
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Who waits for which branch call.
#[derive(Clone, Default)]
pub struct Ends(Arc<Mutex<HashMap<String, Waiting>>>);

struct Waiting {
    branch_id: BranchId,
    op: Op,
    told: oneshot::Sender<()>,
}

impl Ends {
    /// Ends when the participant has had this call.
    pub fn of(&self, gid: &Gid, (branch_id, op): (BranchId, Op)) -> oneshot::Receiver<()> {
        let (told, called) = oneshot::channel();
        self.lock().insert(gid.to_string(), Waiting { branch_id, op, told });
        called
    }

    fn called(&self, gid: &str, branch_id: &str, op: &str) {
        let mut all = self.lock();
        let awaited =
            |waiting: &Waiting| waiting.branch_id.as_str() == branch_id && waiting.op.as_str() == op;
        if all.get(gid).is_some_and(awaited)
            && let Some(waiting) = all.remove(gid)
        {
            // Whoever gave up waiting has told so already.
            waiting.told.send(()).ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Service {
    ends: Ends,
    witness: Option<Arc<Witness>>,
}

impl Service {
    async fn called(&self, request: Request<()>) {
        let text =
            |key| request.metadata().get(key).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (gid, branch_id, op) = (text(metadata::GID), text(metadata::BRANCH_ID), text(metadata::OP));
        if let Some(witness) = &self.witness {
            witness.called(gid, branch_id, op).await;
        }
        self.ends.called(gid, branch_id, op);
    }
}

#[tonic::async_trait]
impl Noop for Service {
    async fn r#do(&self, request: Request<()>) -> Result<Response<()>, Status> {
        self.called(request).await;
        Ok(Response::new(()))
    }

    async fn confirm(&self, request: Request<()>) -> Result<Response<()>, Status> {
        self.called(request).await;
        Ok(Response::new(()))
    }

    async fn undo(&self, request: Request<()>) -> Result<Response<()>, Status> {
        self.called(request).await;
        Ok(Response::new(()))
    }

    async fn refuse(&self, request: Request<()>) -> Result<Response<()>, Status> {
        self.called(request).await;
        Err(Status::aborted("REFUSED|as asked"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_awaited_call_of_the_gid_ends_the_wait() {
        let ends = Ends::default();
        let gid = Gid::generate();
        let mut end = ends.of(&gid, (BranchId::of_index(1), Op::Action));
        ends.called(gid.as_str(), "01", "action");
        ends.called(gid.as_str(), "02", "compensate");
        ends.called(Gid::generate().as_str(), "02", "action");
        assert!(end.try_recv().is_err());
        ends.called(gid.as_str(), "02", "action");
        assert!(end.try_recv().is_ok());
    }
}
