//! How verbs reach the orchestrator. Knows the flags and the metadata, no verb.
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_serve::traces;
use anyhow::Context as _;
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest single call: `Wait` may take ten minutes.
const CALL_TIMEOUT: Duration = Duration::from_secs(630);

/// A connection on which nothing comes is asked so often whether it is still one: a watch may be silent for long.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Where the orchestrator is and who is asking.
#[derive(Debug, Clone, clap::Args)]
pub struct Target {
    /// The orchestrator
    #[arg(long, env = "AMENDS_TARGET", value_name = "HOST:PORT", default_value = "127.0.0.1:7400")]
    pub target: String,
    /// Your name: history notes it beside each of your acts, and request ids are unique per caller
    #[arg(long, env = "AMENDS_CALLER", value_name = "NAME", default_value = "anonymous")]
    pub caller: String,
}

/// A connection of one caller.
pub type Connection = InterceptedService<Channel, Caller>;

impl Target {
    /// Connects; an orchestrator that is not there is told at once, with its address.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        let caller =
            MetadataValue::try_from(&self.caller).context("--caller has characters that gRPC forbids")?;
        let endpoint = Endpoint::from_shared(format!("http://{}", self.target))
            .with_context(|| format!("--target {} is not HOST:PORT", self.target))?;
        let endpoint = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE);
        let channel = endpoint
            .connect()
            .await
            .with_context(|| format!("no orchestrator at {} (start one with `amends dev`)", self.target))?;
        Ok(InterceptedService::new(channel, Caller { name: caller }))
    }

    /// The API of clients.
    pub async fn transactions(&self) -> anyhow::Result<TransactionsClient<Connection>> {
        Ok(TransactionsClient::new(self.connect().await?))
    }
}

/// Puts the caller's name and its place in a trace into each call.
#[derive(Debug, Clone)]
pub struct Caller {
    name: MetadataValue<Ascii>,
}

impl Interceptor for Caller {
    fn call(&mut self, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
        request.metadata_mut().insert("amends-caller", self.name.clone());
        traces::tell(request.metadata_mut(), traces::current());
        Ok(request)
    }
}

#[cfg(test)]
pub mod tests {
    use super::Target;
    use tonic::service::Routes;
    use tonic::transport::Server;
    use tonic::transport::server::TcpIncoming;

    /// An orchestrator that answers every question with UNIMPLEMENTED.
    pub async fn mute() -> Target {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let target = incoming.local_addr().unwrap().to_string();
        tokio::spawn(Server::builder().add_routes(Routes::default()).serve_with_incoming(incoming));
        Target { target, caller: "ann".into() }
    }
}
