//! Through which indexes the rows of a filter are looked at: few ways, each from new to old, that together meet every row
//! that fits. Decided by the filter and the known shapes alone.

use super::super::entity::shape;
use super::super::marks::BETWEEN;
use crate::filter::{Expr as Filter, Flag, Order, Quantity, STATUSES, Subject, Test, TextField, TimeField};
use std::collections::BTreeSet;

/// Ways that one page is read through; with more of them the rows are looked at one by one.
const MOST: usize = 24;
/// Clocks may be set: the time in a gid is believed to differ so much from the time of the start.
pub(in super::super) const DOUBT_US: i64 = 3_600_000_000;

/// A way to rows, from new to old.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Anchor {
    /// These.
    Gids(Vec<String>),
    /// Of one definition with one business key.
    Key { definition: String, business_key: String },
    /// Those that need a person.
    Attention,
    /// Those that have not ended.
    Open,
    /// Those that tried an op more than once.
    Repeated,
    /// Those with these last codes.
    Codes(String),
    /// Those with this status.
    Status(&'static str),
    /// Those of this shape.
    Shape(i64),
    /// All.
    All,
}

/// What the store says about its rows before any is looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// All shapes; empty = there are too many.
    pub(super) shapes: Vec<shape::Model>,
    /// All lists of last codes; empty = too many, or none.
    pub(super) codes: Vec<String>,
}

/// Ways, and how few rows they probably have: less is better.
type Ranked = (u8, BTreeSet<Anchor>);

/// The ways for a filter.
pub(super) fn choose(filter: &Filter, known: &Known) -> BTreeSet<Anchor> {
    let (_, anchors) = ranked(filter, known);
    if anchors.len() > MOST { BTreeSet::from([Anchor::All]) } else { anchors }
}

fn all() -> Ranked {
    (9, BTreeSet::from([Anchor::All]))
}

fn ranked(filter: &Filter, known: &Known) -> Ranked {
    match filter {
        Filter::And(parts) => {
            let each = parts.iter().map(|part| ranked(part, known)).chain(by_shape(parts, known));
            each.filter(|(_, anchors)| anchors.len() <= MOST)
                .min_by_key(|(rank, _)| *rank)
                .unwrap_or_else(all)
        }
        Filter::Or(parts) => {
            let each = parts.iter().map(|part| ranked(part, known));
            let union = each.reduce(|(rank, mut anchors), (other, more)| {
                anchors.extend(more);
                (rank.max(other), anchors)
            });
            union.filter(|(_, anchors)| !anchors.contains(&Anchor::All)).unwrap_or_else(all)
        }
        Filter::Not(inner) => match &**inner {
            Filter::Test(Test::Is(TextField::Status, values)) => {
                statuses(STATUSES.iter().filter(|status| !values.iter().any(|value| value == **status)))
            }
            Filter::And(_) | Filter::Or(_) | Filter::Not(_) | Filter::Test(_) => all(),
        },
        Filter::Test(test) => by_test(filter, test, known),
    }
}

fn by_test(filter: &Filter, test: &Test, known: &Known) -> Ranked {
    let one = |rank, anchor| (rank, BTreeSet::from([anchor]));
    match test {
        Test::Is(TextField::Gid, gids) => one(0, Anchor::Gids(gids.clone())),
        Test::Is(TextField::BusinessKey, keys) => by_key(keys, known),
        Test::Flag(Flag::Attention)
        | Test::Is(TextField::Attention | TextField::Owner, _)
        | Test::Contains(TextField::Attention | TextField::Owner, _) => one(2, Anchor::Attention),
        Test::Flag(Flag::Open | Flag::Paused)
        | Test::Is(TextField::WaitingFor, _)
        | Test::Contains(TextField::WaitingFor, _) => one(3, Anchor::Open),
        Test::Is(TextField::Code, codes) if !known.codes.is_empty() => by_codes(codes, known),
        Test::Count(Quantity::Attempts, order, count) if means_repeated(*order, *count) => {
            one(4, Anchor::Repeated)
        }
        Test::Is(TextField::Status, values) => {
            statuses(STATUSES.iter().filter(|status| values.iter().any(|value| value == **status)))
        }
        Test::Is(..) | Test::Contains(..) => {
            by_shape(std::slice::from_ref(filter), known).unwrap_or_else(all)
        }
        Test::Count(..) | Test::Age(..) | Test::Time(..) => all(),
    }
}

fn means_repeated(order: Order, count: i32) -> bool {
    match order {
        Order::More => count >= 1,
        Order::AtLeast | Order::Equal => count >= 2,
        Order::Less | Order::AtMost => false,
    }
}

fn statuses<'a>(of: impl Iterator<Item = &'a &'static str>) -> Ranked {
    let wanted: Vec<&'static str> = of.copied().collect();
    let most = wanted.iter().map(|status| match *status {
        "succeeded" => 8,
        "failed" | "cancelled" => 5,
        _ => 3,
    });
    (most.max().unwrap_or(0), wanted.iter().map(|status| Anchor::Status(status)).collect())
}

fn by_key(keys: &[String], known: &Known) -> Ranked {
    if known.shapes.is_empty() {
        return all();
    }
    let deeds: BTreeSet<&String> = known.shapes.iter().map(|shape| &shape.definition).collect();
    let each = keys.iter().flat_map(|key| {
        deeds.iter().map(move |definition| Anchor::Key {
            definition: (*definition).clone(),
            business_key: key.clone(),
        })
    });
    // What began before shapes were kept may be of any definition.
    (1, each.chain([Anchor::Shape(0)]).collect())
}

fn by_codes(codes: &[String], known: &Known) -> Ranked {
    let has = |list: &&String| codes.iter().any(|code| list.contains(&format!("{BETWEEN}{code}{BETWEEN}")));
    (4, known.codes.iter().filter(has).map(|list| Anchor::Codes(list.clone())).collect())
}

/// The shapes that fit all those conditions that a shape alone decides; `None` = none does, or all shapes fit.
fn by_shape(parts: &[Filter], known: &Known) -> Option<Ranked> {
    let parts: Vec<&Filter> = parts.iter().filter(|part| is_of_shape(part)).collect();
    if parts.is_empty() || known.shapes.is_empty() {
        return None;
    }
    let fits = |shape: &&shape::Model| parts.iter().all(|part| part.fits(&subject(shape), 0));
    let fitting: Vec<i64> = known.shapes.iter().filter(fits).map(|shape| shape.id).collect();
    let selective = fitting.len() < known.shapes.len();
    selective.then(|| (6, fitting.into_iter().chain([0]).map(Anchor::Shape).collect()))
}

fn is_of_shape(filter: &Filter) -> bool {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().all(is_of_shape),
        Filter::Not(inner) => is_of_shape(inner),
        Filter::Test(Test::Is(field, _) | Test::Contains(field, _)) => match field {
            TextField::Definition
            | TextField::Mode
            | TextField::Coordinator
            | TextField::Participant
            | TextField::Step => true,
            TextField::Status
            | TextField::BusinessKey
            | TextField::Gid
            | TextField::Caller
            | TextField::RequestId
            | TextField::Reason
            | TextField::Code
            | TextField::WaitingFor
            | TextField::Attention
            | TextField::Owner => false,
        },
        Filter::Test(Test::Flag(_) | Test::Count(..) | Test::Age(..) | Test::Time(..)) => false,
    }
}

fn subject(shape: &shape::Model) -> Subject {
    let names = |text: &str| text.split(BETWEEN).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    Subject {
        definition: shape.definition.clone(),
        mode: shape.mode.clone(),
        coordinator: shape.coordinator.clone(),
        participants: names(&shape.participants),
        steps: names(&shape.steps),
        ..Subject::default()
    }
}

/// Between which gids all rows that fit are: a gid tells when it was made. From the first on, and before the second.
pub(super) fn range(filter: &Filter, now_us: i64) -> (Option<String>, Option<String>) {
    let (mut from, mut until) = (None::<i64>, None::<i64>);
    for part in filter.conjuncts() {
        let Filter::Test(test) = part else { continue };
        let (order, at) = match test {
            Test::Age(order, us) => (older(*order), now_us.saturating_sub(*us)),
            Test::Time(TimeField::Started, order, at) => (*order, at.unix_us(now_us)),
            // Who ended by then had begun by then.
            Test::Time(TimeField::Finished, Order::Less | Order::AtMost | Order::Equal, at) => {
                (Order::AtMost, at.unix_us(now_us))
            }
            Test::Time(..) | Test::Flag(_) | Test::Is(..) | Test::Contains(..) | Test::Count(..) => continue,
        };
        if matches!(order, Order::More | Order::AtLeast | Order::Equal) {
            from = from.max(Some(at.saturating_sub(DOUBT_US)));
        }
        if matches!(order, Order::Less | Order::AtMost | Order::Equal) {
            let at = at.saturating_add(DOUBT_US);
            until = Some(until.map_or(at, |until| until.min(at)));
        }
    }
    (from.and_then(gid_at), until.and_then(gid_at))
}

fn older(order: Order) -> Order {
    match order {
        Order::Less => Order::More,
        Order::AtMost => Order::AtLeast,
        Order::More => Order::Less,
        Order::AtLeast => Order::AtMost,
        Order::Equal => Order::Equal,
    }
}

/// What every gid made from that moment on is not less than; `None` before 1970 and beyond what a gid can tell.
pub(in super::super) fn gid_at(unix_us: i64) -> Option<String> {
    let ms = u64::try_from(unix_us / 1_000).ok().filter(|ms| *ms > 0 && *ms < 1 << 48)?;
    Some(format!("{:08x}-{:04x}", ms >> 16, ms & 0xffff))
}

#[cfg(test)]
#[path = "anchors_tests.rs"]
mod tests;
