//! Who is calling: the branch named by the metadata, after its plan MAC was checked. Knows no row.

use std::str::FromStr;
use std::sync::Arc;

use amends_dtm::plan_mac::PlanMacKey;
use amends_dtm::{BranchId, Gid, Op, TransType, metadata};
use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request};

use crate::hash::request_hash;
use crate::layer::MethodPath;
use crate::reason::Reason;
use crate::refusal::Refusal;
use crate::verdict::Phase;

/// One op of one branch of one global transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The global transaction.
    pub gid: Gid,
    /// Its part in this participant.
    pub branch_id: BranchId,
    /// What is asked of the part.
    pub op: Op,
    /// The kind of global transaction.
    pub trans_type: TransType,
    /// The method called, `package.Service/Method`.
    pub method: Arc<str>,
}

impl Branch {
    /// A forward branch as a service stored it beside its own rows, for [`crate::Guard::settle`]; none if a word is not
    /// one of ours.
    #[must_use]
    pub fn stored(gid: &str, branch_id: &str, op: &str) -> Option<Branch> {
        let op = Op::from_str(op).ok().filter(|op| op.is_forward())?;
        let trans_type = if op == Op::Try { TransType::Tcc } else { TransType::Saga };
        Some(Branch {
            gid: Gid::parse(gid).ok()?,
            branch_id: BranchId::parse(branch_id).ok()?,
            op,
            trans_type,
            method: Arc::from(""),
        })
    }

    /// The same branch with the op of its forward call: what an undo settles beside itself.
    #[must_use]
    pub fn forward(&self) -> Branch {
        Branch { op: self.op.forward(), ..self.clone() }
    }
}

/// A branch call as an effect sees it.
#[derive(Debug, Clone)]
pub struct Call<Req> {
    /// Key of everything the effect writes: (gid, branch_id).
    pub branch: Branch,
    /// The request. On a second phase it is the same as that of the forward call; the guard has compared them.
    pub body: Req,
    /// Now, by the guard's clock.
    pub now_us: i64,
}

/// Whether calls must prove that they belong to a plan of the orchestrator.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)] // there is one in a process
pub enum BranchAuth {
    /// `pay-plan-mac` must be there and right.
    Required(PlanMacKey),
    /// For tests and plain DTM clients on a private network.
    Off,
}

/// A call that may go on to the guard.
pub(crate) struct Admitted<Req> {
    pub ticket: Ticket,
    pub body: Req,
}

/// What the guard needs of a call.
#[derive(Clone)]
pub(crate) struct Ticket {
    pub branch: Branch,
    pub phase: Phase,
    pub hash: Vec<u8>,
}

/// Checks the MAC first, then the metadata, then that the op is one that the method is for.
pub(crate) fn admit<Req: Message>(
    request: Request<Req>,
    phase: Phase,
    auth: &BranchAuth,
    now_us: i64,
) -> Result<Admitted<Req>, Refusal> {
    let (metadata, extensions, body) = request.into_parts();
    let gid: Gid = field(&metadata, metadata::GID, Gid::parse)?;
    check_mac(&metadata, &gid, auth, now_us)?;
    let branch = Branch {
        gid,
        branch_id: field(&metadata, metadata::BRANCH_ID, BranchId::parse)?,
        op: field(&metadata, metadata::OP, Op::from_str)?,
        trans_type: field(&metadata, metadata::TRANS_TYPE, TransType::from_str)?,
        method: method(&extensions)?,
    };
    if Phase::of(branch.op) != phase {
        return Err(missing(metadata::OP));
    }
    let hash = request_hash(&body);
    Ok(Admitted { ticket: Ticket { branch, phase, hash }, body })
}

fn check_mac(metadata: &MetadataMap, gid: &Gid, auth: &BranchAuth, now_us: i64) -> Result<(), Refusal> {
    let key = match auth {
        BranchAuth::Off => return Ok(()),
        BranchAuth::Required(key) => key,
    };
    let bad = || Refusal::new(Reason::BadPlanMac, "the call carries no valid plan MAC");
    let text = metadata.get(metadata::PLAN_MAC).and_then(|text| text.to_str().ok()).ok_or_else(bad)?;
    match key.verify(gid, text, now_us / 1_000_000) {
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!(%error, "plan MAC refused");
            Err(bad())
        }
    }
}

fn field<T, E>(
    metadata: &MetadataMap,
    name: &'static str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Refusal> {
    let text = metadata.get(name).and_then(|text| text.to_str().ok()).ok_or_else(|| missing(name))?;
    parse(text).map_err(|_| missing(name))
}

fn missing(name: &str) -> Refusal {
    Refusal::new(Reason::MissingBranchMetadata, format!("{name} is missing or does not fit this method"))
}

fn method(extensions: &Extensions) -> Result<Arc<str>, Refusal> {
    let path = extensions.get::<MethodPath>().map(|path| path.0.clone());
    path.ok_or_else(|| Refusal::new(Reason::Broken, "the service is not wrapped in GuardLayer"))
}
