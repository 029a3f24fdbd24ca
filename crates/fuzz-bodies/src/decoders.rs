//! Decoders of what is stored or comes from a neighbour: plans, events, archives, manifests, what DTM says.
use amends_dtm::client::{BranchStatus, DtmStatus};
use amends_orchestrator::api::archived;
use amends_orchestrator::history::{Fact, FlatFact};
use amends_orchestrator::plan::Plan;
use amends_orchestrator::retention::Record;

/// A plan that can be read is a plan again, with the same hash; any events can be read against it, or not.
pub fn plan(data: &[u8]) {
    let Ok(plan) = Plan::decode(data) else { return };
    let again = Plan::decode(&plan.encode());
    assert_eq!(again.map(|again| *again.hash()).ok(), Some(*plan.hash()), "another plan");
    let text = String::from_utf8_lossy(data);
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let flat = FlatFact { kind: word(), branch_id: word(), op: word(), code: word(), ..FlatFact::default() };
    Fact::read(&flat, &plan).ok();
}

/// DTM's JSON.
pub fn dtm_json(data: &[u8]) {
    if let Ok(status) = serde_json::from_slice::<DtmStatus>(data) {
        assert_eq!(String::from_utf8_lossy(data).trim().trim_matches('"'), status.as_str());
    }
    serde_json::from_slice::<BranchStatus>(data).ok();
}

/// A line of the archive of what ended, and what is shown of it.
pub fn archive(data: &[u8]) {
    let Ok(record) = serde_json::from_slice::<Record>(data) else { return };
    let _shown = archived(&record);
}

/// The manifest of a backup.
pub fn manifest(data: &[u8]) {
    let Ok(manifest) = serde_json::from_slice::<amends_backup::Manifest>(data) else { return };
    let written = serde_json::to_vec(&manifest).unwrap_or_default();
    let again = serde_json::from_slice::<amends_backup::Manifest>(&written).ok();
    assert_eq!(again.as_ref(), Some(&manifest), "another manifest");
}
