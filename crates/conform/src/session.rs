//! A run against one participant: its connection, its ids, and what it has answered so far. Knows no rule.
use amends_dtm::Outcome;
use amends_dtm::plan_mac::PlanMacKey;
use prost_reflect::DescriptorPool;
use sha2::{Digest as _, Sha256};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tonic::Code;
use tonic::transport::Channel;

use crate::contract::Contract;
use crate::error::ConformError;
use crate::form::{Form, Phase};
use crate::hook::Hooks;
use crate::ids::Ids;
use crate::reflection;
use crate::rule::Rule;
use crate::template::Template;
use crate::wire::{self, Answer};

/// How long a plan MAC of a run is valid.
const MAC_VALID: Duration = Duration::from_secs(24 * 3_600);
/// So many calls of one rule are told.
const MAX_EVIDENCE: usize = 60;

/// What a run is made of.
#[derive(Clone)]
pub struct Config {
    /// host:port of the participant.
    pub target: String,
    /// Full name of its service.
    pub service: String,
    /// The methods that are judged.
    pub form: Form,
    /// An encoded `google.protobuf.FileDescriptorSet`; none = the target's reflection is asked.
    pub descriptors: Option<Vec<u8>>,
    /// A payload that succeeds once for each branch.
    pub payload: Template,
    /// Another payload for the same branch; none = the same with other ids.
    pub other_payload: Option<Template>,
    /// A payload that is refused.
    pub refused_payload: Option<Template>,
    /// With it calls carry plan MACs.
    pub mac_key: Option<PlanMacKey>,
    /// What is done beside the calls.
    pub hooks: Hooks,
    /// All ids are made of it, see [`crate::fresh_seed`].
    pub seed: u64,
    /// The longest that one call may take.
    pub timeout: Duration,
    /// The longest that "ask again" may go on.
    pub patience: Duration,
    /// Calls at the same moment.
    pub concurrency: usize,
    /// The rules that are judged; empty = all.
    pub rules: Vec<Rule>,
}

/// What all answers of a run came to, for rules that look back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// The longest status message of the participant's own, in bytes, and the call that it came to.
    pub longest_message: (usize, String),
    /// The largest trailers.
    pub largest_trailers: usize,
    /// Second phases that were answered ABORTED.
    pub aborted_second_phases: Vec<String>,
    /// Second phases that were answered at all.
    pub second_phases: usize,
}

/// A connection to a participant whose methods are known.
pub(crate) struct Session {
    pub config: Config,
    pub contract: Contract,
    pub ids: Ids,
    pub channel: Channel,
    evidence: Mutex<Vec<String>>,
    seen: Mutex<Seen>,
}

impl Session {
    /// Connects, reads the descriptors and checks that the payloads fit.
    pub(crate) async fn open(config: Config) -> Result<Session, ConformError> {
        let channel = wire::connect(&config.target).await?;
        let pool = match &config.descriptors {
            Some(bytes) => DescriptorPool::decode(bytes.as_slice())?,
            None => reflection::descriptors(&channel, &config.target, &config.service).await?,
        };
        let contract = Contract::find(&pool, &config.service, &config.form)?;
        let ids = Ids::new(config.seed);
        let session =
            Session { contract, ids, channel, evidence: Mutex::default(), seen: Mutex::default(), config };
        let Config { payload, other_payload, refused_payload, .. } = &session.config;
        for template in
            [Some(payload), other_payload.as_ref(), refused_payload.as_ref()].into_iter().flatten()
        {
            let filling = template.filling(&session.ids.uuid(), || session.ids.uuid());
            session.contract.encode(&template.fill(&filling))?;
        }
        Ok(session)
    }

    /// The plan MAC for a gid; none without a key.
    pub(crate) fn mac(&self, gid: &str) -> Option<String> {
        let key = self.config.mac_key.as_ref()?;
        let plan_hash: [u8; 32] = Sha256::digest(self.config.seed.to_be_bytes()).into();
        let expiry = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + MAC_VALID;
        Some(key.mint(gid, &plan_hash, i64::try_from(expiry.as_secs()).unwrap_or(i64::MAX)))
    }

    /// Keeps what was asked and answered.
    pub(crate) fn note(&self, phase: Phase, asked: &str, answer: &Answer) {
        self.tell(format!("{asked} → {answer}"));
        if !answer.is_heard {
            return;
        }
        let mut seen = lock(&self.seen);
        if answer.message.len() > seen.longest_message.0 {
            seen.longest_message = (answer.message.len(), asked.to_owned());
        }
        seen.largest_trailers = seen.largest_trailers.max(answer.trailer_bytes);
        if phase != Phase::Forward {
            seen.second_phases += 1;
            if Outcome::of(answer.code) == Outcome::Refused {
                seen.aborted_second_phases.push(asked.to_owned());
            }
        }
    }

    /// Adds a line to the evidence of the rule at hand.
    pub(crate) fn tell(&self, line: String) {
        let mut evidence = lock(&self.evidence);
        if evidence.len() < MAX_EVIDENCE {
            evidence.push(line);
        } else if evidence.len() == MAX_EVIDENCE {
            evidence.push("… and more".to_owned());
        }
    }

    /// The evidence since it was last taken.
    pub(crate) fn take_evidence(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.evidence))
    }

    /// What all answers came to so far.
    pub(crate) fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }
}

/// Whether a coordinator would ask again and may hear something else then.
pub(crate) fn is_open(answer: &Answer) -> bool {
    match Outcome::of(answer.code) {
        Outcome::InProgress => true,
        Outcome::Succeeded | Outcome::Refused => false,
        Outcome::Unknown => {
            let passing =
                [Code::Unavailable, Code::DeadlineExceeded, Code::Cancelled, Code::ResourceExhausted];
            !answer.is_heard || passing.contains(&answer.code)
        }
    }
}

/// A panic of another task does not spoil what is only told.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
