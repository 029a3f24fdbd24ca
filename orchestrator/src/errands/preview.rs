//! What an act in bulk would be about: how many, some of them, what is at stake, and with whom. Changes nothing.

use crate::engine::Engine;
use crate::filter::{Expr as Filter, Flag, Test};
use crate::history::{HistoryReader, ListFilter, ReadError, Row};
use crate::plan::Plan;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Most global transactions of one act in bulk: what a person can still answer for.
pub const MOST: usize = 10_000;
/// Gids of one look: all that an act may be about, and the one that is too many.
const PAGE: u64 = MOST as u64 + 1;
/// Plans read at once.
const PLANS: usize = 500;
/// Rows that are shown.
const SHOWN: u64 = 10;

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

/// Looks for all open global transactions that the filter fits: what has ended is nobody's to steer. What `engine` has in
/// memory, which is all that it drives, costs no reading of plans.
///
/// # Errors
/// Where there are too many, or the store cannot be read.
pub async fn preview(engine: &Engine, filter: Filter) -> Result<Preview, TooMany> {
    let (reader, now_us) = (&engine.history().reader, engine.now_us());
    let open = filter.and(Filter::Test(Test::Flag(Flag::Open)));
    let mut asked = ListFilter { filter: Some(open), now_us, limit: SHOWN, ..ListFilter::default() };
    let mut found = Preview { sample: sample(reader, &asked).await?, ..Preview::default() };
    asked.limit = PAGE;
    loop {
        let (gids, next) = reader.list_gids(&asked).await.map_err(ReadError::from)?;
        found.gids.extend(gids);
        if found.gids.len() > MOST {
            return Err(TooMany::Found);
        }
        asked.before = next;
        if asked.before.is_none() {
            break;
        }
    }
    let mut elsewhere = Vec::new();
    for gid in std::mem::take(&mut found.gids) {
        match engine.in_memory(&gid) {
            Some(live) => found.add(&live.plan),
            None => elsewhere.push(gid.clone()),
        }
        found.gids.push(gid);
    }
    for some in elsewhere.chunks(PLANS) {
        for plan in reader.plans(some).await? {
            found.add(&plan);
        }
    }
    Ok(found)
}

/// The newest of them. A page may be short though there are more.
async fn sample(reader: &HistoryReader, asked: &ListFilter) -> Result<Vec<Row>, ReadError> {
    let (mut asked, mut rows) = (asked.clone(), Vec::new());
    loop {
        let page = reader.list(&asked).await?;
        rows.extend(page.rows);
        asked.limit = SHOWN.saturating_sub(rows.len() as u64);
        asked.before = page.next;
        if asked.before.is_none() || asked.limit == 0 {
            return Ok(rows);
        }
    }
}

impl Preview {
    /// Stands for exactly these global transactions: two previews of the same ones have the same, whatever their order.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut gids: Vec<&str> = self.gids.iter().map(String::as_str).collect();
        gids.sort_unstable();
        let mut digest = Sha256::new();
        for gid in gids {
            digest.update(gid);
            digest.update("\n");
        }
        hex::encode(digest.finalize())
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_these_and_no_others() {
        let of = |gids: &[&str]| {
            let gids = gids.iter().map(ToString::to_string).collect();
            Preview { gids, ..Preview::default() }.digest()
        };
        assert_eq!(of(&["a", "b"]), of(&["b", "a"]));
        assert_ne!(of(&["a", "b"]), of(&["a", "c"]), "as many others");
        assert_ne!(of(&["ab"]), of(&["a", "b"]));
        assert_eq!(of(&[]).len(), 64, "none are told apart from any as well");
    }
}
