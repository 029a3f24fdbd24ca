//! What we ask DTM to do, checked before it is sent.

use std::collections::{BTreeMap, HashMap};

use amends_proto::dtm::{DtmBranchRequest, DtmRequest, DtmTransOptions};
use prost::bytes::Bytes;
use serde::Serialize;

use super::DtmError;
use crate::{BranchId, Gid, Op, TransType};

/// Seconds between DTM's polls: 0 or less would be a hot loop.
const RETRY_INTERVAL_S: std::ops::RangeInclusive<u32> = 1..=3600;
/// Options and headers share one column of 1,024 characters in DTM's SQL stores; this much of it is for headers.
const HEADER_BYTES: usize = 800;
/// Column of a branch's URL.
const URL_BYTES: usize = 1024;
const MAX_STEPS: usize = 999;

/// Column of a saga's custom data.
const CUSTOM_DATA_BYTES: usize = 1024;

/// A saga for [`submit_saga`](super::DtmClient::submit_saga). Sending it again means sending exactly this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaRequest {
    /// Its gid.
    pub gid: Gid,
    /// Its steps; they become the branches `01`, `02`, …
    pub steps: Vec<SagaStep>,
    /// Which of them waits for which.
    pub order: SagaOrder,
    /// Seconds between DTM's polls, 1 to 3,600.
    pub retry_interval_s: u32,
    /// Seconds that one branch call may take; 0 = the server's setting.
    pub request_timeout_s: u32,
    /// Seconds until DTM rolls it back by itself; 0 = never.
    pub timeout_to_fail_s: u32,
    /// Metadata of every branch call.
    pub headers: BTreeMap<String, String>,
}

/// Which step of a saga waits for which. Compensations wait the other way round.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SagaOrder {
    /// Each for the one before it.
    #[default]
    Chain,
    /// Each for the earlier ones, from 0, that stand at its place here; what does not wait runs at once.
    Graph(Vec<Vec<usize>>),
}

impl SagaOrder {
    /// Whether DTM has room for it: its SQL stores end a saga's custom data at 1,024 characters.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.custom_data().len() <= CUSTOM_DATA_BYTES
    }

    /// As DTM reads it: `{"concurrent":true,"orders":{"2":[0,1]}}`.
    fn custom_data(&self) -> String {
        match self {
            Self::Chain => String::new(),
            Self::Graph(after) => {
                let waiting = after.iter().enumerate().filter(|(_, earlier)| !earlier.is_empty());
                let orders: BTreeMap<usize, &Vec<usize>> = waiting.collect();
                serde_json::json!({"concurrent": true, "orders": orders}).to_string()
            }
        }
    }

    /// An index that is none makes DTM panic at each poll (dtm.md D8).
    fn check(&self, steps: usize) -> Result<(), DtmError> {
        let Self::Graph(after) = self else { return Ok(()) };
        let earlier_only = after.iter().enumerate().all(|(step, waits)| waits.iter().all(|it| *it < step));
        if after.len() != steps || !earlier_only {
            return Err(invalid("each step of a saga has its row of earlier steps to wait for".to_owned()));
        }
        if self.fits() {
            Ok(())
        } else {
            Err(invalid(format!("the order of the steps exceeds {CUSTOM_DATA_BYTES} bytes")))
        }
    }
}

/// One step of a saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SagaStep {
    /// `host:port/package.Service/Method` of the action.
    pub action: String,
    /// The same of the compensation.
    pub compensate: String,
    /// The encoded request message of both.
    #[serde(skip)]
    pub payload: Bytes,
}

/// A TCC, for prepare and for submit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TccRequest {
    /// Its gid.
    pub gid: Gid,
    /// Seconds between DTM's polls, 1 to 3,600.
    pub retry_interval_s: u32,
    /// Seconds that one branch call may take; 0 = the server's setting.
    pub request_timeout_s: u32,
    /// Seconds until DTM aborts it unless it was submitted; 0 = the server's setting.
    pub timeout_to_fail_s: u32,
    /// Metadata of every branch call.
    pub headers: BTreeMap<String, String>,
}

/// One branch of a TCC. Confirms and cancels run in reverse order of registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TccBranch {
    /// Gid of the TCC.
    pub gid: Gid,
    /// Its id.
    pub branch_id: BranchId,
    /// `host:port/package.Service/Method` of the confirm.
    pub confirm: String,
    /// The same of the cancel.
    pub cancel: String,
    /// The encoded request message of both.
    pub payload: Bytes,
}

/// What came of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// It was registered by this call.
    Now,
    /// It was there already; DTM does not tell whether with the same content.
    Before,
}

impl SagaRequest {
    pub(crate) fn to_message(&self) -> Result<DtmRequest, DtmError> {
        if self.steps.is_empty() || self.steps.len() > MAX_STEPS {
            return Err(invalid(format!("a saga has 1 to {MAX_STEPS} steps, not {}", self.steps.len())));
        }
        for step in &self.steps {
            check_url(&step.action)?;
            check_url(&step.compensate)?;
        }
        self.order.check(self.steps.len())?;
        let steps = serde_json::to_string(&self.steps).map_err(|error| invalid(error.to_string()))?;
        let times = [self.retry_interval_s, self.request_timeout_s, self.timeout_to_fail_s];
        Ok(DtmRequest {
            gid: self.gid.to_string(),
            trans_type: TransType::Saga.to_string(),
            trans_options: Some(options(times, &self.headers)?),
            bin_payloads: self.steps.iter().map(|step| step.payload.clone()).collect(),
            customed_data: self.order.custom_data(),
            steps,
            ..Default::default()
        })
    }
}

impl TccRequest {
    pub(crate) fn to_message(&self) -> Result<DtmRequest, DtmError> {
        let times = [self.retry_interval_s, self.request_timeout_s, self.timeout_to_fail_s];
        Ok(DtmRequest {
            gid: self.gid.to_string(),
            trans_type: TransType::Tcc.to_string(),
            trans_options: Some(options(times, &self.headers)?),
            ..Default::default()
        })
    }
}

impl TccBranch {
    pub(crate) fn to_message(&self) -> Result<DtmBranchRequest, DtmError> {
        check_url(&self.confirm)?;
        check_url(&self.cancel)?;
        Ok(DtmBranchRequest {
            gid: self.gid.to_string(),
            trans_type: TransType::Tcc.to_string(),
            branch_id: self.branch_id.to_string(),
            op: Op::Try.to_string(),
            data: HashMap::from([
                (Op::Confirm.to_string(), self.confirm.clone()),
                (Op::Cancel.to_string(), self.cancel.clone()),
            ]),
            busi_payload: self.payload.clone(),
        })
    }
}

fn options(
    [retry_interval_s, request_timeout_s, timeout_to_fail_s]: [u32; 3],
    headers: &BTreeMap<String, String>,
) -> Result<DtmTransOptions, DtmError> {
    if !RETRY_INTERVAL_S.contains(&retry_interval_s) {
        return Err(invalid(format!("retry interval of {retry_interval_s} s is not within 1 to 3600")));
    }
    let header_bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if header_bytes > HEADER_BYTES {
        return Err(invalid(format!("headers of {header_bytes} bytes exceed {HEADER_BYTES}")));
    }
    Ok(DtmTransOptions {
        retry_interval: retry_interval_s.into(),
        request_timeout: request_timeout_s.into(),
        timeout_to_fail: timeout_to_fail_s.into(),
        branch_headers: headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        ..Default::default()
    })
}

/// DTM takes an empty URL for a branch that is done and one with a scheme for another protocol.
fn check_url(url: &str) -> Result<(), DtmError> {
    let well_formed = url.len() <= URL_BYTES
        && !url.contains("://")
        && url.split('/').count() == 3
        && url.split('/').all(|part| !part.is_empty());
    if well_formed {
        Ok(())
    } else {
        Err(invalid(format!("`{url}` is not host:port/package.Service/Method")))
    }
}

fn invalid(text: String) -> DtmError {
    DtmError::InvalidRequest(text)
}

#[cfg(test)]
mod tests {
    use super::{SagaOrder, SagaRequest, SagaStep, TccBranch};
    use crate::{BranchId, Gid};
    use prost::bytes::Bytes;
    use std::collections::BTreeMap;

    fn step() -> SagaStep {
        SagaStep {
            action: "h:1/a.B/C".into(),
            compensate: "h:1/a.B/D".into(),
            payload: Bytes::from_static(b"p"),
        }
    }

    fn saga() -> SagaRequest {
        SagaRequest {
            gid: Gid::generate(),
            steps: vec![step(), step()],
            order: SagaOrder::Chain,
            retry_interval_s: 60,
            request_timeout_s: 0,
            timeout_to_fail_s: 0,
            headers: BTreeMap::new(),
        }
    }

    #[test]
    fn a_saga_has_one_payload_per_step_and_never_waits_for_the_result() {
        let message = saga().to_message().unwrap();
        assert_eq!(message.bin_payloads.len(), 2);
        let step = r#"{"action":"h:1/a.B/C","compensate":"h:1/a.B/D"}"#;
        assert_eq!(message.steps, format!("[{step},{step}]"));
        assert!(!message.trans_options.unwrap().wait_result);
    }

    #[test]
    fn the_order_of_a_graph_is_said_in_dtms_terms() {
        assert_eq!(saga().to_message().unwrap().customed_data, "");
        let graph = SagaOrder::Graph(vec![vec![], vec![], vec![0, 1]]);
        let message = SagaRequest { steps: vec![step(); 3], order: graph, ..saga() }.to_message().unwrap();
        assert_eq!(message.customed_data, r#"{"concurrent":true,"orders":{"2":[0,1]}}"#);
    }

    #[test]
    fn what_would_poison_dtm_is_not_sent() {
        let long: String = "x".repeat(900);
        let graph = |after| SagaOrder::Graph(after);
        let wide = (0..50).map(|step| (0..step).collect()).collect();
        assert!(!graph(wide).fits());
        let bad = [
            SagaRequest { steps: vec![], ..saga() },
            SagaRequest { order: graph(vec![vec![]]), ..saga() },
            SagaRequest { order: graph(vec![vec![], vec![1]]), ..saga() },
            SagaRequest { order: graph(vec![vec![], vec![7]]), ..saga() },
            SagaRequest { retry_interval_s: 0, ..saga() },
            SagaRequest { retry_interval_s: 3601, ..saga() },
            SagaRequest { headers: BTreeMap::from([("h".into(), long)]), ..saga() },
            SagaRequest { steps: vec![SagaStep { action: String::new(), ..step() }], ..saga() },
            SagaRequest { steps: vec![SagaStep { compensate: "http://h:1/x".into(), ..step() }], ..saga() },
        ];
        for request in bad {
            assert!(request.to_message().is_err(), "{request:?}");
        }
        let branch = TccBranch {
            gid: Gid::generate(),
            branch_id: BranchId::of_index(0),
            confirm: "h:1/a.B/C".into(),
            cancel: String::new(),
            payload: Bytes::new(),
        };
        assert!(branch.to_message().is_err());
    }
}
