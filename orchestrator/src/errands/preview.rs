//! What an act in bulk would be about: how many, some of them, what is at stake, and with whom. Changes nothing.

use crate::filter::{Expr as Filter, Flag, Test};
use crate::history::{HistoryReader, ListFilter, ReadError, Row};
use crate::plan::Plan;
use std::collections::BTreeMap;

/// Most global transactions of one act in bulk: what a person can still answer for.
pub const MOST: usize = 10_000;
/// Rows of one look.
const PAGE: u64 = 1_000;
/// Plans read at once.
const PLANS: usize = 500;
/// Rows that are shown.
const SHOWN: usize = 10;

/// What a filter finds, and what is at stake.
#[derive(Debug, Clone, Default)]
pub struct Preview {
    /// All of them, newest first.
    pub gids: Vec<String>,
    /// Some of them.
    pub sample: Vec<Row>,
    /// By currency: minor units, and of how many.
    pub money: BTreeMap<String, (i64, i64)>,
    /// Those whose definition does not say what is at stake.
    pub without_amount: i64,
    /// How many have a step there.
    pub participants: BTreeMap<String, i64>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum TooMany {
    /// More than one act may be about.
    #[error("it fits more than {MOST} open global transactions: narrow the filter")]
    Found,
    /// The store is away, or holds what cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Looks for all open global transactions that the filter fits: what has ended is nobody's to steer.
///
/// # Errors
/// Where there are too many, or the store cannot be read.
pub async fn preview(reader: &HistoryReader, filter: Filter, now_us: i64) -> Result<Preview, TooMany> {
    let open = filter.and(Filter::Test(Test::Flag(Flag::Open)));
    let mut asked = ListFilter { filter: Some(open), now_us, limit: PAGE, ..ListFilter::default() };
    let mut found = Preview::default();
    loop {
        let page = reader.list(&asked).await.map_err(ReadError::from)?;
        found.gids.extend(page.rows.iter().map(|row| row.gid.clone()));
        let missing = SHOWN.saturating_sub(found.sample.len());
        found.sample.extend(page.rows.into_iter().take(missing));
        if found.gids.len() > MOST {
            return Err(TooMany::Found);
        }
        asked.before = page.next;
        if asked.before.is_none() {
            break;
        }
    }
    let gids = std::mem::take(&mut found.gids);
    for some in gids.chunks(PLANS) {
        for plan in reader.plans(some).await? {
            found.add(&plan);
        }
    }
    found.gids = gids;
    Ok(found)
}

impl Preview {
    fn add(&mut self, plan: &Plan) {
        let body = plan.body();
        if body.currency.is_empty() {
            self.without_amount += 1;
        } else {
            let (minor, count) = self.money.entry(body.currency.clone()).or_default();
            *minor = minor.saturating_add(body.amount_minor);
            *count += 1;
        }
        let mut names: Vec<&str> = plan.steps().iter().map(|step| step.participant.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            *self.participants.entry(name.to_owned()).or_default() += 1;
        }
    }
}
