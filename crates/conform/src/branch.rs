//! One branch of the kit's own: its ids, its payload, its calls and what a probe sees of it. Knows no rule.
use amends_dtm::{Outcome, metadata};
use prost::bytes::Bytes;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::error::ConformError;
use crate::form::Phase;
use crate::hook::{Hook, HookError, Situation};
use crate::judgement::Stop;
use crate::session::{Session, is_open};
use crate::template::{Filling, Template};
use crate::wire::{self, Answer};

/// The one branch of each global transaction here.
const BRANCH_ID: &str = "01";
/// Between two repeats; doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A branch that nobody has called yet, or that was called by this value only.
#[derive(Clone)]
pub(crate) struct Branch<'s> {
    session: &'s Session,
    pub gid: String,
    filling: Filling,
    payload: Value,
    body: Bytes,
}

/// The words of a call's metadata; none = left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words {
    pub gid: Option<String>,
    pub branch_id: Option<String>,
    pub op: Option<String>,
    pub mac: Option<String>,
}

impl Session {
    /// A new branch with the payload that succeeds, prepared.
    pub(crate) async fn branch(&self) -> Result<Branch<'_>, Stop> {
        self.branch_with(&self.config.payload).await
    }

    /// A new branch with a payload of its own, prepared.
    pub(crate) async fn branch_with(&self, template: &Template) -> Result<Branch<'_>, Stop> {
        let gid = self.ids.gid().to_string();
        let filling = template.filling(&gid, || self.ids.uuid());
        let payload = template.fill(&filling);
        let body = self.contract.encode(&payload)?;
        let branch = Branch { session: self, gid, filling, payload, body };
        if let Some(prepare) = &self.config.hooks.prepare {
            branch.run_hook("prepare", prepare).await?;
        }
        Ok(branch)
    }
}

impl<'s> Branch<'s> {
    /// The same branch with the other payload; none where that would be the same bytes.
    pub(crate) fn with_other_payload(&self) -> Result<Option<Branch<'s>>, Stop> {
        let session = self.session;
        let (template, filling) = match &session.config.other_payload {
            Some(template) => {
                (template, self.filling.and(template.filling(&self.gid, || session.ids.uuid())))
            }
            None => {
                let template = &session.config.payload;
                (template, template.filling(&self.gid, || session.ids.uuid()))
            }
        };
        let payload = template.fill(&filling);
        let body = session.contract.encode(&payload)?;
        let is_other = body != self.body;
        Ok(is_other.then(|| Branch { filling, payload, body, ..self.clone() }))
    }

    /// The same branch with this payload, as it is.
    pub(crate) fn with_payload(&self, payload: Value) -> Result<Branch<'s>, ConformError> {
        let body = self.session.contract.encode(&payload)?;
        Ok(Branch { payload, body, ..self.clone() })
    }

    /// The payload as JSON, ids filled in.
    pub(crate) fn payload(&self) -> &Value {
        &self.payload
    }

    /// The words that a coordinator sends for a phase.
    pub(crate) fn words(&self, phase: Phase) -> Words {
        Words {
            gid: Some(self.gid.clone()),
            branch_id: Some(BRANCH_ID.to_owned()),
            op: Some(self.session.config.form.op(phase).to_string()),
            mac: self.session.mac(&self.gid),
        }
    }

    /// One call.
    pub(crate) async fn call(&self, phase: Phase) -> Answer {
        self.call_within(phase, self.session.config.timeout).await
    }

    /// One call whose caller gives up after `timeout`.
    pub(crate) async fn call_within(&self, phase: Phase, timeout: Duration) -> Answer {
        let answer = self.send(phase, self.words(phase), timeout).await;
        let op = self.session.config.form.op(phase);
        self.session.note(phase, &format!("{op} of {}", self.gid), &answer);
        answer
    }

    /// One call of the method of a phase with other words than those of the phase; `deviation` says which.
    pub(crate) async fn call_with(&self, phase: Phase, words: Words, deviation: &str) -> Answer {
        let answer = self.send(phase, words, self.session.config.timeout).await;
        let op = self.session.config.form.op(phase);
        self.session.note(phase, &format!("{op} of {} {deviation}", self.gid), &answer);
        answer
    }

    /// Calls as a coordinator does: again while the answer is "ask again", for as long as there is patience.
    pub(crate) async fn settle(&self, phase: Phase) -> Answer {
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let answer = self.call(phase).await;
            if !is_open(&answer) || began.elapsed() + pause > self.session.config.patience {
                return answer;
            }
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    /// Brings a phase to its success, as a ground for what is judged; without it the rule cannot be judged.
    pub(crate) async fn done(&self, phase: Phase) -> Result<Answer, Stop> {
        let answer = self.settle(phase).await;
        if Outcome::of(answer.code) == Outcome::Succeeded {
            return Ok(answer);
        }
        let op = self.session.config.form.op(phase);
        Err(Stop::NotRun(format!("it begins with a successful {op}, and this one is answered {answer}")))
    }

    /// What the probe says of this branch, its ids as places again; none without a probe.
    pub(crate) async fn probe(&self) -> Result<Option<String>, Stop> {
        let Some(probe) = &self.session.config.hooks.probe else { return Ok(None) };
        let said = self.run_hook("probe", probe).await?;
        let said = self.filling.unfill(&said).replace(&self.gid, "${gid}");
        self.session.tell(format!("probe of {} → {said}", self.gid));
        Ok(Some(said))
    }

    /// A message of the participant with this branch's ids as places, to compare with another branch's.
    pub(crate) fn unfilled(&self, message: &[u8]) -> String {
        self.filling.unfill(&String::from_utf8_lossy(message)).replace(&self.gid, "${gid}")
    }

    /// How many calls of this run are made at the same moment.
    pub(crate) fn concurrency(&self) -> usize {
        self.session.config.concurrency
    }

    /// Runs a hook for this branch.
    pub(crate) async fn run_hook(&self, what: &'static str, hook: &Hook) -> Result<String, HookError> {
        let situation = Situation {
            target: self.session.config.target.clone(),
            gid: self.gid.clone(),
            branch_id: BRANCH_ID.to_owned(),
            payload: self.payload.to_string(),
        };
        hook(situation).await.map_err(|why| HookError { what, why })
    }

    async fn send(&self, phase: Phase, words: Words, timeout: Duration) -> Answer {
        let Session { config, contract, channel, .. } = self.session;
        let path = contract.path(phase).expect("a rule calls only the phases that its form has");
        let mut map = MetadataMap::with_capacity(8);
        let trans_type = Some(config.form.trans_type().to_string());
        for (name, word) in [
            (metadata::GID, words.gid),
            (metadata::TRANS_TYPE, trans_type),
            (metadata::BRANCH_ID, words.branch_id),
            (metadata::OP, words.op),
            (metadata::PLAN_MAC, words.mac),
        ] {
            if let Some(word) = word.and_then(|word| MetadataValue::try_from(word).ok()) {
                map.insert(name, word);
            }
        }
        wire::call(channel, path, map, self.body.clone(), timeout).await
    }
}
