//! Bad input of every direct call: INVALID_ARGUMENT or NOT_FOUND with its reason, and not a row changed, no key used up.
use crate::bodies::{self, MERCHANT, PENDING, SKU, USER, WALLET, id, usd};
use crate::deeds::{DEEDS, service};
use crate::mutations::{self, POOL};
use crate::steady::Steady;
use crate::world::{Auth, World, alone, run};
use amends_proto::pay::account::v1 as account;
use amends_proto::pay::branch::v1::ListBranchOpsRequest;
use amends_proto::pay::gateway::v1 as gateway;
use amends_proto::pay::inventory::v1 as inventory;
use amends_proto::pay::order::v1 as order;
use amends_proto::pay::points::v1 as points;
use amends_stack::Role;
use prost::Message;
use std::collections::BTreeSet;
use tonic::Code;

const LEAST: usize = 200;

/// A direct method with a valid request.
struct Direct {
    role: Role,
    method: &'static str,
    valid: Vec<u8>,
}

fn row(role: Role, method: &'static str, valid: &impl Message) -> Direct {
    Direct { role, method, valid: valid.encode_to_vec() }
}

/// Every direct method of every participant.
fn table(world: &World) -> Vec<Direct> {
    let services = [orders(world), accounts(), goods(), purses(), payments(world)];
    let mut rows: Vec<Direct> = services.into_iter().flatten().collect();
    for role in Role::PARTICIPANTS {
        rows.push(row(role, "ListBranchOps", &ListBranchOpsRequest { limit: 1, ..Default::default() }));
    }
    rows
}

fn orders(world: &World) -> Vec<Direct> {
    let (merchant_id, out_trade_no) = (MERCHANT.to_owned(), world.seeded.order.out_trade_no.clone());
    let by_number = order::GetRequest { order_id: String::new(), merchant_id, out_trade_no };
    vec![
        row(Role::Order, "Get", &by_number),
        row(Role::Order, "List", &order::ListRequest { cursor: String::new(), limit: 1 }),
    ]
}

fn accounts() -> Vec<Direct> {
    let list = account::ListRequest { cursor: String::new(), limit: 1 };
    let open = account::OpenRequest {
        account_id: WALLET.into(),
        owner: USER.into(),
        r#type: account::AccountType::UserWallet.into(),
        currency: "USD".into(),
        floor: 0,
    };
    let deposit =
        account::DepositRequest { account_id: PENDING.into(), amount: usd(5), idempotency_key: id() };
    vec![
        row(Role::Account, "Get", &account::GetRequest { account_id: WALLET.into() }),
        row(Role::Account, "List", &list),
        row(Role::Account, "ListEntries", &list),
        row(Role::Account, "ListHolds", &list),
        row(Role::Account, "Open", &open),
        row(Role::Account, "Deposit", &deposit),
        row(Role::Account, "Freeze", &account::FreezeRequest { account_id: WALLET.into(), frozen: false }),
    ]
}

fn goods() -> Vec<Direct> {
    let list = inventory::ListRequest { cursor: String::new(), limit: 1 };
    let restock = inventory::RestockRequest { sku: SKU.into(), quantity: 5, idempotency_key: id() };
    vec![
        row(Role::Inventory, "Get", &inventory::GetRequest { sku: SKU.into() }),
        row(Role::Inventory, "ListStock", &list),
        row(Role::Inventory, "ListReservations", &list),
        row(Role::Inventory, "Restock", &restock),
    ]
}

fn purses() -> Vec<Direct> {
    let list = points::ListRequest { cursor: String::new(), limit: 1 };
    let grant = points::GrantRequest { user_id: USER.into(), points: 5, idempotency_key: id() };
    vec![
        row(Role::Points, "Get", &points::GetRequest { user_id: USER.into() }),
        row(Role::Points, "ListOps", &list),
        row(Role::Points, "ListAccounts", &list),
        row(Role::Points, "Grant", &grant),
    ]
}

fn payments(world: &World) -> Vec<Direct> {
    let list = gateway::ListRequest { cursor: String::new(), limit: 1 };
    let payment_id = world.seeded.payment.payment_id.clone();
    vec![
        row(Role::Gateway, "GetPayment", &gateway::GetPaymentRequest { payment_id, force_query: true }),
        row(Role::Gateway, "ListPayments", &list),
        row(Role::Gateway, "ListAttempts", &list),
        row(Role::Gateway, "ListInDoubt", &list),
    ]
}

/// What operators say of an item in doubt. There is none here: what is right otherwise finds nothing.
fn items_in_doubt() -> Vec<Direct> {
    let proposal = gateway::ProposeResolutionRequest {
        item_id: id(),
        token: 1,
        resolution: gateway::Resolution::Charged.into(),
        psp_txn_id: "txn-1".into(),
        evidence: "seen in the provider's back office".into(),
        reference: "CASE-1".into(),
    };
    let approval = gateway::ApproveResolutionRequest { item_id: id(), token: 1 };
    vec![
        row(Role::Gateway, "GetInDoubt", &gateway::GetInDoubtRequest { item_id: id() }),
        row(Role::Gateway, "ClaimInDoubt", &gateway::ClaimInDoubtRequest { item_id: id(), ttl_s: 60 }),
        row(Role::Gateway, "ProposeResolution", &proposal),
        row(Role::Gateway, "ApproveResolution", &approval),
    ]
}

#[test]
fn what_operators_say_wrongly_is_refused_and_changes_nothing() {
    run(async {
        let turn = alone(Auth::Required).await;
        for Direct { role, method, valid } in items_in_doubt() {
            let path = bodies::path(role, method);
            let before = Steady::of(turn.world, role).await;
            for case in mutations::cases(mutations::input(&service(role), method), &valid) {
                let what = format!("{path} with {}", case.name);
                let reply = turn.world.direct(role, &path, case.body).await;
                assert!(matches!(reply.code, Code::InvalidArgument | Code::NotFound), "{what}: {reply:?}");
                assert!(!reply.message.contains(mutations::CARD_NUMBER), "{what}: a card number is repeated");
                before.still(0, &what).await;
            }
        }
    });
}

#[test]
fn a_direct_call_refuses_bad_input_and_changes_nothing() {
    run(async {
        let turn = alone(Auth::Required).await;
        let mut count = 0;
        for Direct { role, method, valid } in table(turn.world) {
            let path = bodies::path(role, method);
            let before = Steady::of(turn.world, role).await;
            for case in mutations::cases(mutations::input(&service(role), method), &valid) {
                let what = format!("{path} with {}", case.name);
                let reply = turn.world.direct(role, &path, case.body).await;
                assert_eq!(reply.code, Code::InvalidArgument, "{what}: {reply:?}");
                assert_eq!(reply.refusal(), (Code::InvalidArgument, case.reason), "{what}");
                assert!(!reply.message.contains(mutations::CARD_NUMBER), "{what}: a card number is repeated");
                before.still(0, &what).await;
                count += 1;
            }
            let accepted = turn.world.direct(role, &path, valid).await;
            assert_eq!(accepted.code, Code::Ok, "{path}: what was made wrong must be right: {accepted:?}");
        }
        println!("{count} bad direct calls");
        assert!(count >= LEAST, "only {count} cases");
    });
}

#[test]
fn what_does_not_exist_is_not_found() {
    run(async {
        let turn = alone(Auth::Required).await;
        let wallet = || "USER_WALLET:nobody:USD".to_owned();
        let order = order::GetRequest { order_id: id(), ..Default::default() };
        let deposit = account::DepositRequest { account_id: wallet(), amount: usd(1), idempotency_key: id() };
        let freeze = account::FreezeRequest { account_id: wallet(), frozen: true };
        let payment = gateway::GetPaymentRequest { payment_id: id(), force_query: true };
        let rows = [
            (row(Role::Order, "Get", &order), "ORDER_NOT_FOUND"),
            (row(Role::Account, "Get", &account::GetRequest { account_id: wallet() }), "ACCOUNT_NOT_FOUND"),
            (row(Role::Account, "Deposit", &deposit), "ACCOUNT_NOT_FOUND"),
            (row(Role::Account, "Freeze", &freeze), "ACCOUNT_NOT_FOUND"),
            (row(Role::Inventory, "Get", &inventory::GetRequest { sku: "zzz".into() }), "SKU_NOT_FOUND"),
            (row(Role::Points, "Get", &points::GetRequest { user_id: "nobody".into() }), "ACCOUNT_NOT_FOUND"),
            (row(Role::Gateway, "GetPayment", &payment), "PAYMENT_NOT_FOUND"),
        ];
        let items = items_in_doubt().into_iter().map(|row| (row, "PAYMENT_NOT_FOUND"));
        for (Direct { role, method, valid }, reason) in rows.into_iter().chain(items) {
            let rows_before = turn.world.store(role).snapshot().await.rows;
            let reply = turn.world.direct(role, &bodies::path(role, method), valid).await;
            assert_eq!(reply.refusal(), (Code::NotFound, reason), "{role} {method}");
            assert_eq!(turn.world.store(role).snapshot().await.rows, rows_before, "{role} {method}");
        }
    });
}

#[test]
fn a_direct_write_that_contradicts_an_earlier_one_is_refused() {
    run(async {
        let turn = alone(Auth::Required).await;
        let deposit = |amount, key: &str| account::DepositRequest {
            account_id: PENDING.into(),
            amount,
            idempotency_key: key.into(),
        };
        let eur = usd(5).map(|money| amends_proto::pay::money::v1::Money { currency: "EUR".into(), ..money });
        let open = account::OpenRequest {
            account_id: WALLET.into(),
            owner: "another".into(),
            r#type: account::AccountType::UserWallet.into(),
            currency: "USD".into(),
            floor: 0,
        };
        let key = id();
        let path = |method| bodies::path(Role::Account, method);
        let _: account::Account =
            turn.world.ask(Role::Account, &path("Deposit"), deposit(usd(5), &key)).await;
        for (row, reason) in [
            (row(Role::Account, "Deposit", &deposit(usd(6), &key)), "IDEMPOTENCY_MISMATCH"),
            (row(Role::Account, "Deposit", &deposit(eur, &id())), "CURRENCY_MISMATCH"),
            (row(Role::Account, "Open", &open), "IDEMPOTENCY_MISMATCH"),
        ] {
            let before = turn.world.store(Role::Account).snapshot().await.rows;
            let reply = turn.world.direct(Role::Account, &path(row.method), row.valid).await;
            assert_eq!(reply.refusal(), (Code::InvalidArgument, reason), "{}", row.method);
            assert_eq!(turn.world.store(Role::Account).snapshot().await.rows, before, "{}", row.method);
        }
    });
}

#[test]
fn every_method_of_every_participant_is_in_a_table() {
    run(async {
        let turn = alone(Auth::Required).await;
        let direct = table(turn.world).into_iter().chain(items_in_doubt());
        let direct = direct.map(|row| bodies::path(row.role, row.method));
        let branch = DEEDS.iter().flat_map(|deed| deed.calls().into_iter().map(|call| deed.path(call)));
        let listed: BTreeSet<String> = direct.chain(branch).collect();
        let declared = Role::PARTICIPANTS.iter().flat_map(|role| {
            let service = POOL.get_service_by_name(&service(*role)).unwrap();
            service.methods().map(|method| bodies::path(*role, method.name())).collect::<Vec<_>>()
        });
        assert_eq!(listed, declared.collect::<BTreeSet<_>>());
    });
}
