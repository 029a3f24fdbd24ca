//! A page is of one moment: whatever changes between two looks of it neither shifts rows out of it nor mixes before and
//! after.
use crate::on_every_store;
use crate::place::Place;
use amends_orchestrator::filter::parse;
use amends_orchestrator::history::entity::global_transaction::{Column, Entity};
use amends_orchestrator::history::{Amount, HistoryReader, ListFilter, Page, generate};
use amends_serve::store::Store;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

on_every_store!(what_changes_between_two_looks_is_in_a_page_as_a_whole_or_not_at_all);

const NOW: i64 = 1_790_000_000_000_000;
/// More than two looks, of 256 and of four times as many rows.
const OPEN: usize = 1_500;
/// One row of so many is listed, so that no look fills the page.
const EVERY: usize = 50;
/// Most of the first look leave the way at once: whoever counted on them would miss those that move up.
const LEAVING: usize = 240;

/// The rows that a list shows, newest first, before the change and after it.
struct Stage {
    leaving: Vec<String>,
    joining: Vec<String>,
    before: Vec<String>,
    after: Vec<String>,
}

/// Which of two states the store is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

impl Stage {
    async fn set(store: &Store) -> Stage {
        generate(store, Amount { finished: 0, open: OPEN as u64 }, NOW, |_| {}).await.unwrap();
        let all = Entity::find().all(store.reader()).await.unwrap();
        let mut all: Vec<String> = all.into_iter().map(|row| row.gid).collect();
        all.sort_unstable_by(|one, other| other.cmp(one));
        let before: Vec<String> = all.iter().step_by(EVERY).cloned().collect();
        change(store, &before, "wanted", true).await;
        let leaving = all[..LEAVING].to_vec();
        let joining: Vec<String> = all.iter().skip(7).step_by(EVERY * 3).cloned().collect();
        let is_listed =
            |gid: &&String| (before.contains(gid) || joining.contains(gid)) && !leaving.contains(gid);
        let after = all.iter().filter(is_listed).cloned().collect();
        Stage { leaving, joining, before, after }
    }

    /// All that changes, in one commit.
    async fn turn(&self, store: &Store, to: Side) {
        let turn = store.begin().await.unwrap();
        let (is_open, reason) = match to {
            Side::Before => (true, ""),
            Side::After => (false, "wanted"),
        };
        let leaving = Entity::update_many().col_expr(Column::IsOpen, Expr::value(is_open));
        leaving.filter(Column::Gid.is_in(&self.leaving)).exec(&turn).await.unwrap();
        let joining = Entity::update_many().col_expr(Column::Reason, Expr::value(reason));
        joining.filter(Column::Gid.is_in(&self.joining)).exec(&turn).await.unwrap();
        turn.commit().await.unwrap();
    }

    fn listed(&self, side: Side) -> &[String] {
        match side {
            Side::Before => &self.before,
            Side::After => &self.after,
        }
    }

    /// What a page of that moment has, which may end before the last row.
    fn is_of(&self, side: Side, page: &Page) -> bool {
        let reached = page.next.as_deref().unwrap_or_default();
        let wanted = self.listed(side).iter().filter(|gid| gid.as_str() >= reached);
        page.rows.iter().map(|row| &row.gid).eq(wanted)
    }
}

async fn change(store: &Store, gids: &[String], reason: &str, is_open: bool) {
    let rows = Entity::update_many()
        .col_expr(Column::Reason, Expr::value(reason))
        .col_expr(Column::IsOpen, Expr::value(is_open));
    rows.filter(Column::Gid.is_in(gids)).exec(store.writer()).await.unwrap();
}

async fn what_changes_between_two_looks_is_in_a_page_as_a_whole_or_not_at_all(place: Place) {
    let (store, others) = (place.store().await, place.store().await);
    let stage = Stage::set(&store).await;
    let reader = HistoryReader::new(store);
    let filter = parse("open and reason = \"wanted\"").unwrap();
    let asked = ListFilter { filter: Some(filter), now_us: NOW, limit: 200, ..ListFilter::default() };
    let (mut side, mut other) = (Side::Before, Side::After);
    for wakings in 0_usize.. {
        let mut page = pin!(reader.list(&asked));
        let mut left = wakings;
        let over = poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(None);
            }
            left -= 1;
            page.as_mut().poll(context).map(Some)
        })
        .await;
        if let Some(page) = over {
            // How often it waits is up to the machine: a slow one has more of an answer there at each look.
            assert!(wakings > 1, "it was never seen half-way");
            assert!(stage.is_of(side, &page.unwrap()));
            break;
        }
        stage.turn(&others, other).await;
        let page = page.await.unwrap();
        assert!(
            stage.is_of(side, &page) || stage.is_of(other, &page),
            "after {wakings} wakings {} rows, up to {:?}",
            page.rows.len(),
            page.next
        );
        (side, other) = (other, side);
    }
}
