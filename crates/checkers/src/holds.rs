//! I6: nothing stays held, reserved, frozen, pending or authorised behind a global transaction that is final.
use crate::report::{Invariant, Violation};
use crate::snapshot::Snapshot;
use amends_proto::pay::account::v1::HoldState;
use amends_proto::pay::gateway::v1::PaymentState;
use amends_proto::pay::inventory::v1::ReservationState;
use amends_proto::pay::points::v1::PointsState;

/// The end of a global transaction is recorded after its last op, so there is no grace: what is final holds nothing.
/// What belongs to an open one, e.g. a payment in doubt, is not judged.
#[must_use]
pub fn check(snapshot: &Snapshot) -> Vec<Violation> {
    let held =
        holds(snapshot).chain(reservations(snapshot)).chain(points(snapshot)).chain(payments(snapshot));
    held.filter(|(gid, _)| snapshot.is_final(gid))
        .map(|(gid, text)| Violation::new(Invariant::I6, gid, text))
        .collect()
}

fn holds(snapshot: &Snapshot) -> impl Iterator<Item = (&str, String)> {
    let held = snapshot.holds.iter().filter(|hold| hold.state() == HoldState::Held);
    held.map(|hold| (hold.gid.as_str(), format!("transfer {} is still held", hold.transfer_id)))
}

fn reservations(snapshot: &Snapshot) -> impl Iterator<Item = (&str, String)> {
    let held = snapshot.reservations.iter().filter(|row| row.state() == ReservationState::Reserved);
    held.map(|row| (row.gid.as_str(), format!("reservation {} is still reserved", row.reservation_id)))
}

fn points(snapshot: &Snapshot) -> impl Iterator<Item = (&str, String)> {
    let held = |state| matches!(state, PointsState::Frozen | PointsState::Pending);
    snapshot
        .points_ops
        .iter()
        .filter(move |op| held(op.state()))
        .map(|op| (op.gid.as_str(), format!("points op {} is still {}", op.op_id, op.state().as_str_name())))
}

fn payments(snapshot: &Snapshot) -> impl Iterator<Item = (&str, String)> {
    snapshot.payments.iter().filter(|payment| !is_settled(payment.state())).map(|payment| {
        let state = payment.state().as_str_name();
        (payment.gid.as_str(), format!("payment {} is still {state}", payment.payment_id))
    })
}

const fn is_settled(state: PaymentState) -> bool {
    match state {
        PaymentState::Captured
        | PaymentState::Declined
        | PaymentState::Closed
        | PaymentState::Expired
        | PaymentState::Voided
        | PaymentState::Reversed => true,
        PaymentState::Unspecified
        | PaymentState::Created
        | PaymentState::Review
        | PaymentState::Authorizing
        | PaymentState::Authorized
        | PaymentState::Capturing
        | PaymentState::Voiding
        | PaymentState::Reversing
        | PaymentState::InDoubt => false,
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::sample;
    use amends_proto::amends::v1::Status;
    use amends_proto::pay::account::v1::HoldState;
    use amends_proto::pay::gateway::v1::PaymentState;
    use amends_proto::pay::inventory::v1::ReservationState;
    use amends_proto::pay::points::v1::PointsState;

    #[test]
    fn a_clean_world_holds_nothing() {
        assert_eq!(check(&sample::world()), []);
    }

    #[test]
    fn each_kind_of_leftover_is_found() {
        let mut world = sample::world();
        world.holds[0].set_state(HoldState::Held);
        world.reservations[0].set_state(ReservationState::Reserved);
        let burn = world.points_ops.iter().position(|op| !op.gid.is_empty()).unwrap();
        world.points_ops[burn].set_state(PointsState::Frozen);
        world.payments[0].set_state(PaymentState::Authorized);
        let found = check(&world);
        assert_eq!(found.len(), 4);
        for text in
            ["still held", "still reserved", "still POINTS_STATE_FROZEN", "still PAYMENT_STATE_AUTHORIZED"]
        {
            assert!(sample::says(&found, text), "{text}");
        }
    }

    #[test]
    fn what_an_open_global_transaction_holds_is_not_judged() {
        let mut world = sample::world();
        world.holds[0].set_state(HoldState::Held);
        let gid = world.holds[0].gid.clone();
        world.transactions.get_mut(&gid).unwrap().set_status(Status::Compensating);
        assert_eq!(check(&world), []);
    }
}
