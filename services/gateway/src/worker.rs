//! Finds out what nobody knows: asks about open requests when their time has come, and goes on with undos that a
//! crash left behind. Decides nothing by itself; the rows say what is due.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use amends_crash_points::{Place, around};
use amends_serve::outage::Outage;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio::sync::Semaphore;

use crate::cashier::Cashier;
use crate::entity::{AttemptState, attempt, encode, payment};
use crate::state::{Doubt, State};

/// Payments worked on at the same time (payments-domain §12, class query).
const AT_ONCE: usize = 16;
/// Longest time between two looks at the rows.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Shortest; also the pause after a failure.
const SHORTEST_SLEEP: Duration = Duration::from_millis(50);

/// The worker of one gateway process.
pub struct Worker {
    cashier: Cashier,
    permits: Arc<Semaphore>,
    in_hand: Arc<Mutex<HashSet<String>>>,
    /// Undos go round: those up to this row of the payments had their turn.
    undos_seen: i64,
}

impl Worker {
    /// A worker for this cashier's payments.
    #[must_use]
    pub fn new(cashier: Cashier) -> Worker {
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        Worker { cashier, permits, in_hand: Arc::default(), undos_seen: 0 }
    }

    /// Works until it is dropped.
    pub async fn run(mut self) {
        if let Err(error) = self.take_over().await {
            tracing::error!(%error, "requests of an earlier process could not be taken over");
        }
        let mut outage = Outage::of("the worker cannot read what is due");
        loop {
            let due = self.look().await;
            outage.note(&due);
            let sleep = due.unwrap_or(LONGEST_SLEEP);
            tokio::select! {
                () = tokio::time::sleep(sleep) => {}
                () = self.cashier.wake().notified() => {}
            }
        }
    }

    /// Requests that an earlier process sent and did not record are asked about at once.
    async fn take_over(&self) -> Result<(), DbErr> {
        let now_us = self.cashier.guard().now_us();
        let hurry = attempt::Entity::update_many()
            .col_expr(attempt::Column::NextQueryAtUs, Expr::value(now_us))
            .filter(attempt::Column::State.eq(AttemptState::Initiated.as_str()))
            .filter(attempt::Column::NextQueryAtUs.is_not_null());
        around!(Place::TakeOver, hurry.exec(self.cashier.guard().store().writer()).await)?;
        Ok(())
    }

    /// Starts work on what is due; says how long to sleep.
    async fn look(&mut self) -> Result<Duration, DbErr> {
        let now_us = self.cashier.guard().now_us();
        let busy = self.busy();
        let open = self.open_attempts(&busy).await?;
        let mut sleep = LONGEST_SLEEP;
        for attempt in open {
            let wait_us = attempt.next_query_at_us.unwrap_or(now_us).saturating_sub(now_us);
            if wait_us <= 0 {
                self.start(attempt.payment_id);
            } else {
                sleep = sleep.min(Duration::from_micros(u64::try_from(wait_us).unwrap_or(0)));
            }
        }
        for payment_id in self.unfinished_undos(&busy).await? {
            self.start(payment_id);
        }
        Ok(sleep.max(SHORTEST_SLEEP))
    }

    fn busy(&self) -> Vec<String> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The open attempts that are due first.
    async fn open_attempts(&self, busy: &[String]) -> Result<Vec<attempt::Model>, DbErr> {
        attempt::Entity::find()
            .filter(attempt::Column::NextQueryAtUs.is_not_null())
            .filter(attempt::Column::PaymentId.is_not_in(busy.iter().map(String::as_str)))
            .order_by_asc(attempt::Column::NextQueryAtUs)
            .limit(AT_ONCE as u64)
            .all(self.cashier.guard().store().reader())
            .await
    }

    /// Payments to be undone that keep money while no request is open. The next ones at each look: one that cannot be
    /// worked on must not keep those behind it waiting.
    async fn unfinished_undos(&mut self, busy: &[String]) -> Result<Vec<String>, DbErr> {
        let (authorized, _) = encode(State::Authorized);
        let (captured, _) = encode(State::Captured);
        let (in_doubt, refused) = encode(State::InDoubt(Doubt::CaptureRefused));
        let keeps = Condition::any().add(payment::Column::State.is_in([authorized, captured])).add(
            Condition::all()
                .add(payment::Column::State.eq(in_doubt))
                .add(payment::Column::Pending.eq(refused)),
        );
        let next: Vec<(i64, String)> = payment::Entity::find()
            .select_only()
            .column(payment::Column::Seq)
            .column(payment::Column::PaymentId)
            .filter(payment::Column::UndoWanted.eq(true))
            .filter(keeps)
            .filter(payment::Column::Seq.gt(self.undos_seen))
            .filter(payment::Column::PaymentId.is_not_in(busy.iter().map(String::as_str)))
            .order_by_asc(payment::Column::Seq)
            .limit(AT_ONCE as u64)
            .into_tuple()
            .all(self.cashier.guard().store().reader())
            .await?;
        let last = next.last().filter(|_| next.len() == AT_ONCE);
        self.undos_seen = last.map_or(0, |(seq, _)| *seq);
        Ok(next.into_iter().map(|(_, payment_id)| payment_id).collect())
    }

    fn start(&self, payment_id: String) {
        let Ok(permit) = self.permits.clone().try_acquire_owned() else { return };
        if !self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).insert(payment_id.clone()) {
            return;
        }
        let (cashier, in_hand) = (self.cashier.clone(), self.in_hand.clone());
        tokio::spawn(async move {
            let advanced = cashier.advance(&payment_id, None).await;
            // Others may work while this one rests.
            drop(permit);
            if let Err(fault) = advanced {
                tracing::error!(%fault, payment_id, "a payment could not be worked on");
                tokio::time::sleep(LONGEST_SLEEP).await;
            }
            in_hand.lock().unwrap_or_else(PoisonError::into_inner).remove(&payment_id);
            cashier.wake().notify_one();
        });
    }
}
