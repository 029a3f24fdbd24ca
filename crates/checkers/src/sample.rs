//! A hand-made world for the checkers' tests: four checkouts, one per mode and end, all in order. Test code only.
use crate::report::Violation;
use crate::snapshot::{CoordinatorStatus, Snapshot};
use amends_proto::amends::v1::{GlobalTransaction, Mode, Op, OpState, Status, Step};
use amends_proto::pay::account::v1::{Account, Entry, Hold, HoldState};
use amends_proto::pay::branch::v1::{BranchOp, BranchOpStatus};
use amends_proto::pay::gateway::v1::{Attempt, AttemptOp, AttemptState, Payment, PaymentState};
use amends_proto::pay::inventory::v1::{Line, Reservation, ReservationState, Stock};
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::order::v1::{Order, OrderState};
use amends_proto::pay::points::v1::{PointsAccount, PointsKind, PointsOp, PointsState};
use amends_proto::pay::psp::v1::{Fact, PspStatus};

pub(crate) const SAGA_PAID: &str = "saga-paid";
pub(crate) const SAGA_DECLINED: &str = "saga-declined";
pub(crate) const TCC_PAID: &str = "tcc-paid";
pub(crate) const TCC_CANCELLED: &str = "tcc-cancelled";

const READ_AT_US: i64 = 1_000_000_000;
const SAGA: [&str; 7] = ["order", "inventory", "points", "account", "gateway", "order", "points"];
const TCC: [&str; 6] = ["order", "inventory", "points", "points", "account", "gateway"];

/// True if one of the violations contains the text.
pub(crate) fn says(found: &[Violation], text: &str) -> bool {
    found.iter().any(|violation| violation.text.contains(text))
}

/// One op of a participant's first branch in a global transaction.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) participant: &'a str,
    pub(crate) gid: &'a str,
    pub(crate) op: &'a str,
}

/// Puts the guard's row into that state, or removes it.
pub(crate) fn plant(world: &mut Snapshot, row: Row<'_>, state: Option<BranchOpStatus>) {
    let rows = world.branch_ops.get_mut(row.participant).unwrap();
    let branch_id = rows.iter().find(|op| op.gid == row.gid).unwrap().branch_id.clone();
    rows.retain(|op| (op.gid.as_str(), &op.branch_id, op.op.as_str()) != (row.gid, &branch_id, row.op));
    if let Some(state) = state {
        rows.push(branch_op(row.gid, &branch_id, row.op, state));
    }
}

/// Each checkout: total 1,000 = wallet 200 + points 100 + card 700, earns 9 points, takes 3 of sku `tea`.
pub(crate) fn world() -> Snapshot {
    let mut world = Snapshot { read_at_us: READ_AT_US, ..Snapshot::default() };
    for (account_id, owner) in
        [("FUNDING:USD", ""), ("USER_WALLET:u:USD", "u"), ("MERCHANT_PENDING:m:USD", "m")]
    {
        let (account_id, owner, currency) = (account_id.into(), owner.into(), "USD".into());
        world.accounts.push(Account { account_id, owner, currency, ..Account::default() });
    }
    world.stock.push(Stock { sku: "tea".into(), received: 100, on_hand: 100, ..Stock::default() });
    world.points_accounts.push(PointsAccount {
        user_id: "u".into(),
        balance: 500,
        ..PointsAccount::default()
    });
    world.points_ops.push(PointsOp {
        op_id: "gift".into(),
        kind: PointsKind::Grant.into(),
        user_id: "u".into(),
        points: 500,
        state: PointsState::Earned.into(),
        ..PointsOp::default()
    });
    saga(&mut world, SAGA_PAID, Status::Succeeded);
    saga(&mut world, SAGA_DECLINED, Status::Failed);
    tcc(&mut world, TCC_PAID, Status::Succeeded);
    tcc(&mut world, TCC_CANCELLED, Status::Cancelled);
    post(&mut world, "deposit", ("FUNDING:USD", "USER_WALLET:u:USD"), 10_000);
    world
}

fn saga(world: &mut Snapshot, gid: &str, status: Status) {
    let paid = status == Status::Succeeded;
    let steps = SAGA.iter().zip(1..).map(|(participant, n)| {
        let forward = match (paid, n) {
            (true, _) | (false, 1..=4) => Some(BranchOpStatus::Done),
            (false, 5) => Some(BranchOpStatus::Refused),
            (false, _) => None,
        };
        let undo = (!paid && n <= 5).then_some(BranchOpStatus::Done);
        (*participant, [("action", forward), ("compensate", undo)].to_vec())
    });
    transaction(world, gid, status, Mode::Saga, steps.collect());
    order(world, gid, if paid { OrderState::Paid } else { OrderState::Closed });
    let goods = if paid { ReservationState::Committed } else { ReservationState::Returned };
    reservation(world, gid, "02", goods);
    points(
        world,
        gid,
        ("03", PointsKind::Burn, 100),
        if paid { PointsState::Burnt } else { PointsState::Returned },
    );
    if paid {
        points(world, gid, ("07", PointsKind::Earn, 9), PointsState::Earned);
    }
    transfer(world, gid, "04", if paid { HoldState::Settled } else { HoldState::Reversed });
    let state = if paid { PaymentState::Captured } else { PaymentState::Declined };
    payment(world, gid, "05", state);
    charge(world, gid, "sale", if paid { (PspStatus::Success, 0, 700) } else { (PspStatus::Declined, 0, 0) });
}

fn tcc(world: &mut Snapshot, gid: &str, status: Status) {
    let paid = status == Status::Succeeded;
    let done = Some(BranchOpStatus::Done);
    let second = if paid { ("confirm", done) } else { ("cancel", done) };
    let steps = TCC.iter().map(|participant| (*participant, [("try", done), second].to_vec()));
    transaction(world, gid, status, Mode::Tcc, steps.collect());
    order(world, gid, if paid { OrderState::Paid } else { OrderState::Closed });
    reservation(
        world,
        gid,
        "02",
        if paid { ReservationState::Committed } else { ReservationState::Released },
    );
    points(
        world,
        gid,
        ("03", PointsKind::Earn, 9),
        if paid { PointsState::Earned } else { PointsState::Voided },
    );
    points(
        world,
        gid,
        ("04", PointsKind::Burn, 100),
        if paid { PointsState::Burnt } else { PointsState::Thawed },
    );
    transfer(world, gid, "05", if paid { HoldState::Settled } else { HoldState::Released });
    payment(world, gid, "06", if paid { PaymentState::Captured } else { PaymentState::Voided });
    charge(world, gid, "authorize", (PspStatus::Success, 0, if paid { 700 } else { 0 }));
    charge(world, gid, if paid { "capture" } else { "void" }, (PspStatus::Success, 0, 0));
}

type Ops = Vec<(&'static str, Option<BranchOpStatus>)>;

fn transaction(world: &mut Snapshot, gid: &str, status: Status, mode: Mode, steps: Vec<(&'static str, Ops)>) {
    let mut told = Vec::new();
    for ((participant, ops), n) in steps.into_iter().zip(1..) {
        let branch_id = format!("{n:02}");
        let mut step =
            Step { branch_id: branch_id.clone(), participant: participant.into(), ..Step::default() };
        for (op, state) in ops {
            let Some(state) = state else { continue };
            let rows = world.branch_ops.entry(participant.into()).or_default();
            rows.push(branch_op(gid, &branch_id, op, state));
            let refused = state == BranchOpStatus::Refused;
            let state = if refused { OpState::Refused } else { OpState::Succeeded };
            step.ops.push(Op { op: op.into(), state: state.into(), ..Op::default() });
        }
        told.push(step);
    }
    let finished_at = Some(prost_types::Timestamp { seconds: READ_AT_US / 1_000_000, nanos: 0 });
    let (status, mode) = (status.into(), mode.into());
    let transaction = GlobalTransaction {
        gid: gid.into(),
        status,
        mode,
        steps: told,
        finished_at,
        coordinator: "dtm".into(),
        ..Default::default()
    };
    let succeeded = transaction.status() == Status::Succeeded;
    let says = if succeeded { CoordinatorStatus::Succeeded } else { CoordinatorStatus::Failed };
    world.dtm.get_or_insert_default().insert(gid.into(), says);
    world.transactions.insert(gid.into(), transaction);
}

fn branch_op(gid: &str, branch_id: &str, op: &str, state: BranchOpStatus) -> BranchOp {
    let (gid, branch_id, op) = (gid.into(), branch_id.into(), op.into());
    BranchOp { gid, branch_id, op, status: state.into(), ..BranchOp::default() }
}

fn order(world: &mut Snapshot, gid: &str, state: OrderState) {
    world.orders.push(Order {
        order_id: format!("order-{gid}"),
        merchant_id: "m".into(),
        out_trade_no: gid.into(),
        user_id: "u".into(),
        total: usd(1_000),
        state: state.into(),
        gid: gid.into(),
        ..Order::default()
    });
}

fn reservation(world: &mut Snapshot, gid: &str, branch_id: &str, state: ReservationState) {
    let stock = &mut world.stock[0];
    if matches!(state, ReservationState::Committed | ReservationState::Returned) {
        stock.on_hand -= 3;
        stock.sold += 3;
    }
    if state == ReservationState::Returned {
        stock.on_hand += 3;
        stock.returned += 3;
    }
    world.reservations.push(Reservation {
        gid: gid.into(),
        branch_id: branch_id.into(),
        reservation_id: format!("reservation-{gid}"),
        order_id: format!("order-{gid}"),
        lines: vec![Line { sku: "tea".into(), quantity: 3 }],
        state: state.into(),
        expires_at: None,
    });
}

fn points(world: &mut Snapshot, gid: &str, op: (&str, PointsKind, i64), state: PointsState) {
    let (branch_id, kind, points) = op;
    let account = &mut world.points_accounts[0];
    if state == PointsState::Burnt {
        account.balance -= points;
    } else if state == PointsState::Earned {
        account.balance += points;
    }
    world.points_ops.push(PointsOp {
        gid: gid.into(),
        branch_id: branch_id.into(),
        op_id: format!("{branch_id}-{gid}"),
        kind: kind.into(),
        user_id: "u".into(),
        order_id: format!("order-{gid}"),
        points,
        state: state.into(),
        created_at: None,
    });
}

fn transfer(world: &mut Snapshot, gid: &str, branch_id: &str, state: HoldState) {
    let (user, merchant) = ("USER_WALLET:u:USD", "MERCHANT_PENDING:m:USD");
    if matches!(state, HoldState::Settled | HoldState::Reversed) {
        post(world, &format!("{gid}/{branch_id}/forward"), (user, merchant), 200);
    }
    if state == HoldState::Reversed {
        post(world, &format!("{gid}/{branch_id}/compensate"), (merchant, user), 200);
    }
    world.holds.push(Hold {
        gid: gid.into(),
        branch_id: branch_id.into(),
        transfer_id: format!("transfer-{gid}"),
        debit_account_id: user.into(),
        credit_account_id: merchant.into(),
        amount: usd(200),
        reversed: if state == HoldState::Reversed { 200 } else { 0 },
        state: state.into(),
        order_id: format!("order-{gid}"),
        expires_at: None,
    });
}

fn post(world: &mut Snapshot, source_id: &str, (debit, credit): (&str, &str), amount: i64) {
    for account in &mut world.accounts {
        if account.account_id == debit {
            account.debits_posted += amount;
        }
        if account.account_id == credit {
            account.credits_posted += amount;
        }
    }
    world.entries.push(Entry {
        entry_id: format!("entry-{source_id}"),
        txn_id: format!("txn-{source_id}"),
        line: 1,
        debit_account_id: debit.into(),
        credit_account_id: credit.into(),
        amount: usd(amount),
        source: "branch".into(),
        source_id: source_id.into(),
        ..Entry::default()
    });
}

fn payment(world: &mut Snapshot, gid: &str, branch_id: &str, state: PaymentState) {
    let authorized = if state == PaymentState::Declined { 0 } else { 700 };
    let captured = if state == PaymentState::Captured { 700 } else { 0 };
    world.payments.push(Payment {
        payment_id: format!("payment-{gid}"),
        order_id: format!("order-{gid}"),
        amount: usd(700),
        state: state.into(),
        authorized,
        captured,
        gid: gid.into(),
        branch_id: branch_id.into(),
        ..Payment::default()
    });
}

fn charge(world: &mut Snapshot, gid: &str, op: &str, result: (PspStatus, i64, i64)) {
    let (status, authorized_now, kept_now) = result;
    let attempt_op = match op {
        "sale" => AttemptOp::Sale,
        "authorize" => AttemptOp::Authorize,
        "capture" => AttemptOp::Capture,
        _ => AttemptOp::Void,
    };
    let succeeded = status == PspStatus::Success;
    let state = if succeeded { AttemptState::Succeeded } else { AttemptState::Declined };
    world.attempts.push(Attempt {
        attempt_id: format!("{op}-{gid}"),
        payment_id: format!("payment-{gid}"),
        op: attempt_op.into(),
        psp_request_id: format!("{op}-{gid}"),
        state: state.into(),
        ..Attempt::default()
    });
    world.facts.push(Fact {
        psp_request_id: format!("{op}-{gid}"),
        op: op.into(),
        order_id: format!("order-{gid}"),
        amount: usd(700),
        original_request_id: if op == "sale" { String::new() } else { format!("authorize-{gid}") },
        status: status.into(),
        authorized_now,
        kept_now,
        ..Fact::default()
    });
}

fn usd(minor_units: i64) -> Option<Money> {
    Some(Money { minor_units, currency: "USD".into() })
}
