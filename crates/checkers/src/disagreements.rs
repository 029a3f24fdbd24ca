//! A1: what the orchestrator's auditor found to disagree, and has not seen healed. It compares all the time what the
//! checkers compare once, and knows more: methods, requests, and what no plan has.
use crate::report::{Invariant, Violation};
use crate::snapshot::Snapshot;
use amends_proto::amends::v1::Attention;

/// Cause of the attention that the auditor opens.
const DISAGREEMENT: &str = "disagreement";

/// Every disagreement that is open, of whatever is running or has ended.
#[must_use]
pub fn check(snapshot: &Snapshot) -> Vec<Violation> {
    let open = |attention: &&Attention| attention.cause == DISAGREEMENT;
    let found = snapshot.transactions.values().flat_map(|transaction| {
        transaction.all_attention.iter().filter(open).map(|attention| (&transaction.gid, attention))
    });
    found.map(|(gid, attention)| Violation::new(Invariant::A1, gid, attention.text.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn an_open_disagreement_is_found_beside_other_needs() {
        let mut world = sample::world();
        assert_eq!(check(&world), []);
        let attention =
            |cause: &str| Attention { cause: cause.into(), text: "x says y".into(), ..Attention::default() };
        let transaction = world.transactions.get_mut(sample::SAGA_PAID).unwrap();
        transaction.all_attention = vec![attention("under_review"), attention(DISAGREEMENT)];
        assert_eq!(check(&world), [Violation::new(Invariant::A1, sample::SAGA_PAID, "x says y")]);
    }
}
