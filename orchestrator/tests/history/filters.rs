//! What a filter finds in a store is what it fits in memory, whatever ways the store is read through, and page by page.
use crate::on_every_store;
use crate::place::Place;
use amends_orchestrator::filter::{
    Expr, Flag, Moment, Need, Order, Quantity, Subject, Test, TextField, TimeField, parse,
};
use amends_orchestrator::history::entity::{attention, global_transaction, shape};
use amends_orchestrator::history::{CauseCount, HistoryReader, ListFilter, Row};
use amends_serve::store::Store;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sea_orm::{EntityTrait as _, IntoActiveModel as _};

on_every_store! {
    a_store_finds_what_fits_in_memory,
    counts_are_those_of_the_rows,
}

const MINUTE: i64 = 60_000_000;
const NOW: i64 = 1_790_000_000_000_000;
/// More than one look, on each way that has many.
const ROWS: i64 = 700;
const FILTERS: usize = 150;

/// Rows of all kinds, a few minutes between two starts, in a store and as a filter sees them.
struct Rows {
    reader: HistoryReader,
    subjects: Vec<Subject>,
}

fn pick<'a>(from: &[&'a str], n: i64) -> &'a str {
    from[usize::try_from(n).unwrap() % from.len()]
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { String::new() } else { format!("\n{}\n", names.join("\n")) }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Shape 0 is none: it began before there were shapes.
const SHAPES: [(&str, &str, &[&str], &[&str]); 4] = [
    ("old", "saga", &[], &[]),
    ("checkout", "saga", &["gateway", "order"], &["01", "Charge", "Place"]),
    ("checkout", "tcc", &["gateway", "points"], &["01", "TryPay"]),
    ("bench", "saga", &["noop"], &["Do"]),
];
const STATUSES: [&str; 6] = ["accepted", "running", "compensating", "succeeded", "failed", "cancelled"];

fn subject(n: i64) -> (Subject, i64) {
    let started_us = NOW - n * 7 * MINUTE - n;
    let number = u64::try_from(started_us / 1_000).unwrap();
    let random: [u8; 10] =
        std::array::from_fn(|i| u8::try_from((n * 31 + i64::try_from(i).unwrap() * 7) % 256).unwrap());
    let gid = uuid::Builder::from_unix_timestamp_millis(number, &random).into_uuid().to_string();
    let status = if n % 3 == 0 { pick(&STATUSES, n / 3) } else { "succeeded" };
    let open = STATUSES[..3].contains(&status);
    let shape = usize::try_from(n * n % 4).unwrap();
    let (definition, mode, participants, steps) = SHAPES[shape];
    let troubled: &[&str] = match n % 11 {
        3 => &["ABORTED"],
        6 => &["ABORTED", "UNAVAILABLE"],
        9 => &["UNAVAILABLE"],
        _ => &[],
    };
    let cause = pick(&["payment_in_doubt", "disagreement"], n);
    let need = Need { cause: cause.into(), owner: pick(&["", "bob", "Bob"], n / 9).into() };
    let subject = Subject {
        gid,
        status: status.into(),
        definition: definition.into(),
        mode: mode.into(),
        business_key: format!("shop/{}", n % 50),
        caller: pick(&["anonymous", "shop", "Shop"], n).into(),
        request_id: format!("r{n}"),
        coordinator: pick(&["dtm", "embedded"], n / 2).into(),
        reason: pick(&["", "CARD|declined 100%", "it_s \"gone\" \\o/"], n).into(),
        participants: owned(participants),
        steps: owned(steps),
        codes: owned(troubled),
        waiting_for: if open { owned(&["gateway"][..troubled.len().min(1)]) } else { Vec::new() },
        needs: if n % 9 == 3 { vec![need] } else { Vec::new() },
        attempts: i32::try_from(n % 11).unwrap(),
        paused: open && n % 5 == 0,
        open,
        started_us,
        finished_us: if open { 0 } else { started_us + n * MINUTE },
    };
    (subject, i64::try_from(shape).unwrap())
}

fn row(subject: &Subject, shape: i64) -> Row {
    let list = |names: &[String]| listed(&names.iter().map(String::as_str).collect::<Vec<_>>());
    Row {
        gid: subject.gid.clone(),
        caller: subject.caller.clone(),
        request_id: subject.request_id.clone(),
        definition: subject.definition.clone(),
        mode: subject.mode.clone(),
        business_key: subject.business_key.clone(),
        status: subject.status.clone(),
        reason: subject.reason.clone(),
        is_open: subject.open,
        needs_attention: !subject.needs.is_empty(),
        coordinator: subject.coordinator.clone(),
        created_at_us: subject.started_us,
        finished_at_us: subject.finished_us,
        shape,
        attempts: subject.attempts,
        paused: subject.paused,
        codes: list(&subject.codes),
        waiting_for: list(&subject.waiting_for),
        ..Row::default()
    }
}

fn needs(subject: &Subject) -> impl Iterator<Item = attention::Model> {
    subject.needs.iter().map(|need| attention::Model {
        gid: subject.gid.clone(),
        cause: need.cause.clone(),
        opened_seq: 1,
        since_us: subject.started_us,
        branch_id: String::new(),
        op: String::new(),
        reason: String::new(),
        owner: need.owner.clone(),
        acknowledged_by: String::new(),
        acknowledged_at_us: 0,
        note: String::new(),
    })
}

async fn fill(store: Store) -> Rows {
    let all: Vec<(Subject, i64)> = (0..ROWS).map(subject).collect();
    for some in all.chunks(100) {
        let rows = some.iter().map(|(subject, shape)| row(subject, *shape).into_active_model());
        let rows = global_transaction::Entity::insert_many(rows);
        rows.exec_without_returning(store.writer()).await.unwrap();
        let needs: Vec<_> = some.iter().flat_map(|(subject, _)| needs(subject)).collect();
        let needs =
            attention::Entity::insert_many(needs.into_iter().map(attention::Model::into_active_model));
        needs.exec_without_returning(store.writer()).await.unwrap();
    }
    let shapes = (0..).zip(SHAPES).skip(1).flat_map(|(id, (definition, mode, participants, steps))| {
        // The coordinator is of the shape, too; here both have all of them.
        [("dtm", 0), ("embedded", 10)].map(|(coordinator, add)| shape::Model {
            id: id + add,
            definition: definition.into(),
            mode: mode.into(),
            coordinator: coordinator.into(),
            participants: listed(participants),
            steps: listed(steps),
        })
    });
    let shapes = shape::Entity::insert_many(shapes.map(shape::Model::into_active_model));
    shapes.exec_without_returning(store.writer()).await.unwrap();
    for n in 0..ROWS {
        let (subject, shape) = subject(n);
        if subject.coordinator == "embedded" && shape > 0 {
            let moved = global_transaction::ActiveModel {
                gid: sea_orm::Unchanged(subject.gid),
                shape: sea_orm::Set(shape + 10),
                ..Default::default()
            };
            global_transaction::Entity::update(moved).exec(store.writer()).await.unwrap();
        }
    }
    Rows {
        reader: HistoryReader::new(store),
        subjects: all.into_iter().map(|(subject, _)| subject).collect(),
    }
}

fn texts(field: TextField) -> &'static [&'static str] {
    match field {
        TextField::Status => &STATUSES,
        TextField::Definition => &["checkout", "bench", "old", "Checkout"],
        TextField::Mode => &["saga", "tcc"],
        TextField::BusinessKey => &["shop/7", "shop/49", "shop/", "/4", "SHOP/7"],
        TextField::Gid => &["nothing"],
        TextField::Caller => &["shop", "Shop", "anonymous", "a"],
        TextField::RequestId => &["r7", "r77", "7"],
        TextField::Coordinator => &["dtm", "embedded"],
        TextField::Reason => &["", "declined", "100%", "_", "\"gone\"", "\\o/", "CARD|declined 100%"],
        TextField::Participant => &["gateway", "noop", "points", "gate", "order", ""],
        TextField::Step => &["Charge", "Do", "01", "Try", ""],
        TextField::Code => &["ABORTED", "UNAVAILABLE", "INTERNAL"],
        TextField::WaitingFor => &["gateway", "gate", "order", ""],
        TextField::Attention => &["payment_in_doubt", "disagreement", "doubt", ""],
        TextField::Owner => &["bob", "Bob", "b", ""],
    }
}

fn condition() -> impl Strategy<Value = Test> {
    use TextField as F;
    let fields = vec![
        F::Status,
        F::Definition,
        F::Mode,
        F::BusinessKey,
        F::Gid,
        F::Caller,
        F::RequestId,
        F::Coordinator,
        F::Reason,
        F::Participant,
        F::Step,
        F::Code,
        F::WaitingFor,
        F::Attention,
        F::Owner,
    ];
    let field = || prop::sample::select(fields.clone());
    let order =
        || prop::sample::select(vec![Order::Less, Order::AtMost, Order::More, Order::AtLeast, Order::Equal]);
    let minutes = || (0..ROWS * 9).prop_map(|minutes| minutes * MINUTE);
    let moment = prop_oneof![minutes().prop_map(Moment::Ago), minutes().prop_map(|us| Moment::At(NOW - us))];
    prop_oneof![
        2 => prop::sample::select(vec![Flag::Open, Flag::Attention, Flag::Paused]).prop_map(Test::Flag),
        8 => field().prop_flat_map(|field| {
            let one = prop::sample::select(texts(field)).prop_map(str::to_owned);
            prop::collection::vec(one, 1..3).prop_map(move |values| Test::Is(field, values))
        }),
        3 => field().prop_flat_map(|field| {
            prop::sample::select(texts(field)).prop_map(move |part| Test::Contains(field, part.to_owned()))
        }),
        2 => (order(), 0..12).prop_map(|(order, n)| Test::Count(Quantity::Attempts, order, n)),
        1 => (order(), minutes()).prop_map(|(order, us)| Test::Age(order, us)),
        2 => (prop::sample::select(vec![TimeField::Started, TimeField::Finished]), order(), moment)
            .prop_map(|(field, order, at)| Test::Time(field, order, at)),
    ]
}

fn tree() -> impl Strategy<Value = Expr> {
    condition().prop_map(Expr::Test).prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    })
}

impl Rows {
    /// Gids that the store finds, in its order, page by page.
    async fn found(&self, filter: &Expr, limit: u64) -> Vec<String> {
        let mut asked =
            ListFilter { filter: Some(filter.clone()), now_us: NOW, limit, ..ListFilter::default() };
        let mut found = Vec::new();
        loop {
            let page = self.reader.list(&asked).await.unwrap();
            assert!(page.rows.len() as u64 <= limit);
            assert!(page.next.is_none() || page.next != asked.before, "{filter}: it does not get on");
            found.extend(page.rows.into_iter().map(|row| row.gid));
            asked.before = page.next;
            if asked.before.is_none() {
                return found;
            }
        }
    }

    async fn check(&self, filter: &Expr, limit: u64) -> usize {
        let mut fitting: Vec<&str> =
            self.subjects.iter().filter(|one| filter.fits(one, NOW)).map(|one| one.gid.as_str()).collect();
        fitting.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(self.found(filter, limit).await, fitting, "{filter}");
        fitting.len()
    }
}

async fn a_store_finds_what_fits_in_memory(place: Place) {
    let rows = fill(place.store().await).await;
    for (text, fitting) in [
        ("status = running and attention and participant = gateway and age > 5m", 10..100),
        ("status != succeeded", 150..300),
        ("business_key = shop/7", 14..15),
        ("participant = noop", 0..700),
        ("code = unavailable and open", 1..50),
        ("owner = bob or paused", 10..200),
        ("reason ~ '100%'", 233..235),
        ("age > 2d and age < 3d", 200..210),
        ("finished > 1d ago and not attempts > 4", 50..400),
    ] {
        let found = rows.check(&parse(text).unwrap(), 37).await;
        assert!(fitting.contains(&found), "{text}: {found}");
    }
    let mut runner = TestRunner::deterministic();
    let mut hits = 0;
    for n in 0..FILTERS {
        let filter = tree().new_tree(&mut runner).unwrap().current();
        let limit = if n % 2 == 0 { 1_000 } else { 60 };
        hits += usize::from((1..700).contains(&rows.check(&filter, limit).await));
    }
    assert!(hits > FILTERS / 3, "only {hits} filters told rows apart");
}

async fn counts_are_those_of_the_rows(place: Place) {
    let rows = fill(place.store().await).await;
    let counts = rows.reader.counts().await.unwrap();
    let number = |wanted: &dyn Fn(&Subject) -> bool| {
        i64::try_from(rows.subjects.iter().filter(|subject| wanted(subject)).count()).unwrap()
    };
    assert_eq!(counts.statuses.iter().map(|one| one.count).sum::<i64>(), ROWS);
    for one in &counts.statuses {
        let same = |subject: &Subject| subject.status == one.status && subject.definition == one.definition;
        assert_eq!(one.count, number(&same), "{one:?}");
    }
    let doubt = |subject: &Subject| subject.needs.iter().any(|need| need.cause == "payment_in_doubt");
    let oldest = rows.subjects.iter().filter(|one| doubt(one)).map(|one| one.started_us).min().unwrap();
    let expected = CauseCount { cause: "payment_in_doubt".into(), count: number(&doubt), oldest_us: oldest };
    assert!(counts.causes.contains(&expected), "{:?}", counts.causes);
    assert_eq!(counts.paused, number(&|subject| subject.paused));
    let oldest = rows.subjects.iter().filter(|one| one.open).map(|one| one.started_us).min();
    assert_eq!(counts.oldest_open_us, oldest);
    assert_eq!(rows.reader.definition_names().await.unwrap(), ["bench", "checkout"]);
}
