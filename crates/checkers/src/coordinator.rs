//! Reads what the DTM server itself says of global transactions, through its own list.
use crate::snapshot::CoordinatorStatus;
use crate::targets::ReadError;
use amends_dtm::client::{DtmClient, DtmEndpoints, DtmError, DtmStatus};
use std::collections::BTreeMap;
use std::time::Duration;

const PAGE: u32 = 1_000;
/// DTM scans its store for each page.
const PAGE_DEADLINE: Duration = Duration::from_secs(20);

/// A client of the DTM server at these addresses; none where the orchestrator names none.
pub(crate) fn client(grpc: &str, http: &str) -> Result<Option<DtmClient>, ReadError> {
    if grpc.is_empty() || http.is_empty() {
        return Ok(None);
    }
    let endpoints = DtmEndpoints::parse(grpc, Some(http)).map_err(failed)?;
    Ok(Some(DtmClient::new(&endpoints).map_err(failed)?.with_deadline(PAGE_DEADLINE)))
}

/// Status of every gid that DTM knows.
pub(crate) async fn read(dtm: &DtmClient) -> Result<BTreeMap<String, CoordinatorStatus>, ReadError> {
    let mut statuses = BTreeMap::new();
    let mut position = String::new();
    loop {
        let page = dtm.list(&position, PAGE).await.map_err(failed)?;
        statuses.extend(page.transactions.into_iter().map(|row| (row.gid, status(row.status))));
        match page.next_position {
            None => return Ok(statuses),
            Some(next) if next == position => return Err(ReadError::Stuck("the coordinator's list")),
            Some(next) => position = next,
        }
    }
}

const fn status(status: DtmStatus) -> CoordinatorStatus {
    match status {
        DtmStatus::Prepared | DtmStatus::Submitted | DtmStatus::Aborting => CoordinatorStatus::Open,
        DtmStatus::Succeed => CoordinatorStatus::Succeeded,
        DtmStatus::Failed => CoordinatorStatus::Failed,
    }
}

fn failed(error: DtmError) -> ReadError {
    ReadError::Coordinator(Box::new(error))
}
