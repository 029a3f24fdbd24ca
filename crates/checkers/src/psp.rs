//! I4 and I5: what the PSP charged against what our gateway believes. The PSP's facts are the truth about cards.
use crate::report::{Invariant, Violation};
use crate::snapshot::{Snapshot, minor};
use amends_proto::pay::gateway::v1::{Payment, PaymentState};
use amends_proto::pay::psp::v1::{Fact, PspStatus};
use std::collections::BTreeMap;

/// I4: at most one successful charge per payment and one live charged payment per order, counted at the PSP; what
/// the PSP keeps is what the gateway says.
#[must_use]
pub fn one_charge(snapshot: &Snapshot) -> Vec<Violation> {
    let payment_of: BTreeMap<&str, &str> =
        snapshot.attempts.iter().map(|a| (a.psp_request_id.as_str(), a.payment_id.as_str())).collect();
    let mut per_payment: BTreeMap<&str, Vec<&Fact>> = BTreeMap::new();
    let mut live_per_order: BTreeMap<&str, Vec<&Fact>> = BTreeMap::new();
    let mut found = Vec::new();
    for fact in charges(snapshot) {
        match payment_of.get(fact.psp_request_id.as_str()) {
            Some(payment_id) => per_payment.entry(payment_id).or_default().push(fact),
            None => {
                let text = format!("no attempt of ours names {}", fact.psp_request_id);
                found.push(i4(&fact.order_id, text));
            }
        }
        if fact.authorized_now + fact.kept_now > 0 {
            live_per_order.entry(&fact.order_id).or_default().push(fact);
        }
    }
    for (order_id, facts) in live_per_order.iter().filter(|(_, facts)| facts.len() > 1) {
        found.push(i4(order_id, format!("{} live charges at the PSP", facts.len())));
    }
    for (payment_id, facts) in per_payment.iter().filter(|(_, facts)| facts.len() > 1) {
        found.push(i4(payment_id, format!("{} successful charges at the PSP", facts.len())));
    }
    for payment in &snapshot.payments {
        let facts = per_payment.get(payment.payment_id.as_str()).map_or(&[][..], Vec::as_slice);
        found.extend(agreement(payment, facts));
    }
    found
}

/// What the PSP keeps and reserves for a payment whose state is settled equals what the gateway says.
fn agreement(payment: &Payment, facts: &[&Fact]) -> Vec<Violation> {
    let kept: i128 = facts.iter().map(|fact| i128::from(fact.kept_now)).sum();
    let reserved: i128 = facts.iter().map(|fact| i128::from(fact.authorized_now)).sum();
    let mut found = Vec::new();
    let mut breach = |text: String| found.push(i4(&payment.payment_id, text));
    for fact in facts {
        if fact.amount != payment.amount {
            let (there, here) = (minor(fact.amount.as_ref()), minor(payment.amount.as_ref()));
            breach(format!("the PSP was asked for {there}, the payment is {here}"));
        }
    }
    let (expected_kept, expected_reserved) = match payment.state() {
        PaymentState::Captured => (i128::from(payment.captured) - i128::from(payment.refunded), 0),
        PaymentState::Authorized => (0, i128::from(payment.authorized)),
        PaymentState::Declined
        | PaymentState::Closed
        | PaymentState::Expired
        | PaymentState::Voided
        | PaymentState::Reversed => (0, 0),
        // On its way: the two may differ for now.
        PaymentState::Unspecified
        | PaymentState::Created
        | PaymentState::Review
        | PaymentState::Authorizing
        | PaymentState::Capturing
        | PaymentState::Voiding
        | PaymentState::Reversing
        | PaymentState::InDoubt => return found,
    };
    if (kept, reserved) != (expected_kept, expected_reserved) {
        let state = payment.state().as_str_name();
        breach(format!(
            "{state}: the PSP keeps {kept} and reserves {reserved}, the gateway says {expected_kept} and {expected_reserved}"
        ));
    }
    found
}

/// I5: captured ≤ authorised ≤ amount and refunded ≤ captured, in our rows and in the PSP's.
#[must_use]
pub fn amounts(snapshot: &Snapshot) -> Vec<Violation> {
    let mut found = Vec::new();
    for payment in &snapshot.payments {
        let amount = minor(payment.amount.as_ref());
        let (authorized, captured) = (i128::from(payment.authorized), i128::from(payment.captured));
        let refunded = i128::from(payment.refunded);
        if !(0 <= captured && captured <= authorized && authorized <= amount) {
            let text = format!("captured {captured}, authorised {authorized}, of {amount}");
            found.push(i5(&payment.payment_id, text));
        }
        if !(0 <= refunded && refunded <= captured) {
            found.push(i5(&payment.payment_id, format!("refunded {refunded} of {captured} captured")));
        }
    }
    found.extend(psp_amounts(snapshot));
    found
}

/// At the PSP itself: nothing captured or given back beyond what was authorised, and no negative remainder.
fn psp_amounts(snapshot: &Snapshot) -> Vec<Violation> {
    let mut captured: BTreeMap<&str, i128> = BTreeMap::new();
    let mut refunded: BTreeMap<&str, i128> = BTreeMap::new();
    for fact in snapshot.facts.iter().filter(|fact| fact.status() == PspStatus::Success) {
        let sums = match fact.op.as_str() {
            "capture" => &mut captured,
            "refund" => &mut refunded,
            _ => continue,
        };
        *sums.entry(&fact.original_request_id).or_default() += minor(fact.amount.as_ref());
    }
    let mut found = Vec::new();
    for fact in charges(snapshot) {
        let amount = minor(fact.amount.as_ref());
        let id = fact.psp_request_id.as_str();
        let in_range = |part: i64| (0..=amount).contains(&i128::from(part));
        if !in_range(fact.authorized_now) || !in_range(fact.kept_now) {
            let text =
                format!("the PSP reserves {} and keeps {} of {amount}", fact.authorized_now, fact.kept_now);
            found.push(i5(id, text));
        }
        for (what, sums) in [("captured", &captured), ("refunded", &refunded)] {
            let sum = sums.get(id).copied().unwrap_or_default();
            if sum > amount {
                found.push(i5(id, format!("the PSP {what} {sum} of {amount}")));
            }
        }
    }
    found
}

/// Successful authorisations and sales.
fn charges(snapshot: &Snapshot) -> impl Iterator<Item = &Fact> {
    snapshot.facts.iter().filter(|fact| {
        matches!(fact.op.as_str(), "authorize" | "sale") && fact.status() == PspStatus::Success
    })
}

fn i4(subject: &str, text: String) -> Violation {
    Violation::new(Invariant::I4, subject, text)
}

fn i5(subject: &str, text: String) -> Violation {
    Violation::new(Invariant::I5, subject, text)
}

#[cfg(test)]
mod tests {
    use super::{amounts, one_charge};
    use crate::sample;
    use amends_proto::pay::gateway::v1::PaymentState;

    #[test]
    fn a_clean_world_charges_once_and_within_bounds() {
        assert_eq!(one_charge(&sample::world()), []);
        assert_eq!(amounts(&sample::world()), []);
    }

    #[test]
    fn two_charges_for_one_payment_are_found() {
        let mut world = sample::world();
        let mut fact = world.facts[0].clone();
        let mut attempt = world.attempts[0].clone();
        attempt.attempt_id = "second".into();
        attempt.psp_request_id = "second".into();
        fact.psp_request_id = "second".into();
        world.attempts.push(attempt);
        world.facts.push(fact);
        assert!(sample::says(&one_charge(&world), "2 live charges at the PSP"));
        assert!(sample::says(&one_charge(&world), "2 successful charges at the PSP"));
    }

    #[test]
    fn a_charge_that_we_do_not_know_is_found() {
        let mut world = sample::world();
        world.attempts.remove(0);
        assert!(sample::says(&one_charge(&world), "no attempt of ours"));
    }

    #[test]
    fn money_kept_behind_a_payment_that_we_call_reversed_is_found() {
        let mut world = sample::world();
        world.payments[0].set_state(PaymentState::Reversed);
        assert!(sample::says(&one_charge(&world), "the PSP keeps 700"));
    }

    #[test]
    fn a_payment_in_doubt_is_not_judged() {
        let mut world = sample::world();
        world.payments[0].set_state(PaymentState::InDoubt);
        world.facts[0].kept_now = 0;
        assert_eq!(one_charge(&world), []);
    }

    #[test]
    fn another_amount_at_the_psp_is_found() {
        let mut world = sample::world();
        world.payments[0].amount.as_mut().unwrap().minor_units += 1;
        assert!(sample::says(&one_charge(&world), "was asked for 700"));
    }

    #[test]
    fn amounts_out_of_bounds_are_found() {
        let mut world = sample::world();
        world.payments[0].captured += 1;
        assert!(sample::says(&amounts(&world), "captured 701"));
        let mut world = sample::world();
        world.payments[0].refunded = 701;
        assert!(sample::says(&amounts(&world), "refunded 701 of 700"));
        let mut world = sample::world();
        world.facts[0].kept_now = 701;
        assert!(sample::says(&amounts(&world), "keeps 701 of 700"));
    }

    #[test]
    fn more_captured_at_the_psp_than_authorised_is_found() {
        let mut world = sample::world();
        let capture = world.facts.iter().position(|fact| fact.op == "capture").unwrap();
        world.facts[capture].amount.as_mut().unwrap().minor_units += 1;
        assert!(sample::says(&amounts(&world), "the PSP captured 701 of 700"));
    }
}
