//! Clients that take back what they have just ordered, so that whatever was begun is undone: one while a card is being charged,
//! one when it mostly is too late, with a card about which the provider's queries fail, one at odd moments. Knows no fault.
use crate::patience::{PAUSE, connection, is_away};
use crate::tell;
use amends_chaos::Load;
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{CancelRequest, Mode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tonic::transport::Channel;

/// Their orders are numbered from here on; those of other clients are far below.
const FIRST_NUMBER: u64 = 1_000_000;
/// So many of them.
const DOUBTERS: u64 = 3;
/// Second thoughts of the last one come after one of these, in turn.
const SECOND_THOUGHTS_MS: [u64; 5] = [0, 60, 150, 350, 900];
/// Those of the second one.
const LATE: Duration = Duration::from_secs(2);
/// The card that is not charged at once.
const SLOW_CARD: &[u8] = b"tok_processing";
/// The card about which queries fail.
const FORGOTTEN_CARD: &[u8] = b"tok_query_unknown";
/// The last of all tries.
const CHARGE: &str = "06";
/// Everything is final this long after the last death.
const SOON: Duration = Duration::from_secs(60);

/// Clients who change their minds.
pub struct Doubters {
    stopped: Arc<AtomicBool>,
    clients: JoinSet<Result<u64, String>>,
}

#[derive(Clone)]
struct Doubter {
    load: Arc<Load>,
    seed: u64,
    number: u64,
    cancels: TransactionsClient<Channel>,
}

impl Doubters {
    /// Begins to order and to cancel.
    pub fn begin(address: &str, load: &Arc<Load>, seed: u64) -> Doubters {
        let stopped = Arc::new(AtomicBool::new(false));
        let cancels = TransactionsClient::new(connection(address));
        let clients = (0..DOUBTERS).map(|client| {
            let (load, cancels) = (Arc::clone(load), cancels.clone());
            let doubter = Doubter { load, seed, number: FIRST_NUMBER + client, cancels };
            doubter.doubt(Arc::clone(&stopped))
        });
        Doubters { clients: clients.collect(), stopped }
    }

    /// Stops when what is under way has ended; tells what went wrong.
    pub async fn end(mut self) -> Vec<String> {
        self.stopped.store(true, Ordering::SeqCst);
        let (mut wrong, mut orders) = (Vec::new(), 0);
        let ended = async {
            while let Some(client) = self.clients.join_next().await {
                match client.unwrap() {
                    Ok(ordered) => orders += ordered,
                    Err(error) => wrong.push(error),
                }
            }
        };
        if tokio::time::timeout(SOON, ended).await.is_err() {
            wrong.push(format!("what was taken back has not ended after {} s", SOON.as_secs()));
        }
        tell(&format!("{orders} orders that were taken back, or too late"));
        wrong
    }
}

impl Doubter {
    /// Orders and cancels until it is stopped; tells how often.
    async fn doubt(mut self, stopped: Arc<AtomicBool>) -> Result<u64, String> {
        let mut orders = 0;
        while !stopped.load(Ordering::SeqCst) {
            self.number += DOUBTERS;
            if self.is_wanted() {
                self.order_and_cancel().await?;
                orders += 1;
            }
        }
        Ok(orders)
    }

    /// Which of them it is.
    fn client(&self) -> u64 {
        (self.number - FIRST_NUMBER) % DOUBTERS
    }

    /// Whether the order of its number is one for it.
    fn is_wanted(&self) -> bool {
        let order = amends_chaos::order(self.seed, &[Mode::Saga, Mode::Tcc], self.number);
        let input = order.input.clone().unwrap_or_default().value;
        let has = |card: &[u8]| input.windows(card.len()).any(|word| word == card);
        match self.client() {
            0 => order.mode() == Mode::Tcc && has(SLOW_CARD),
            1 => has(FORGOTTEN_CARD),
            _ => true,
        }
    }

    async fn order_and_cancel(&mut self) -> Result<(), String> {
        let number = self.number;
        let started = self.load.start(number).await.map_err(|status| format!("order {number}: {status}"))?;
        self.load.witness().saw(number, &started.gid).map_err(|error| error.to_string())?;
        match self.client() {
            0 => self.charge_begins(&started.gid).await?,
            1 => tokio::time::sleep(LATE).await,
            _ => {
                let place = usize::try_from(number / DOUBTERS).unwrap_or(0) % SECOND_THOUGHTS_MS.len();
                tokio::time::sleep(Duration::from_millis(SECOND_THOUGHTS_MS[place])).await;
            }
        }
        let cancel = CancelRequest { gid: started.gid.clone(), reason: "second thoughts".to_owned() };
        // Anything else it says, also that it is too late, is an answer.
        while let Err(status) = self.cancels.cancel(cancel.clone()).await
            && is_away(&status)
        {
            tokio::time::sleep(PAUSE).await;
        }
        while !self.has_ended(&started.gid).await? {
            tokio::time::sleep(4 * PAUSE).await;
        }
        Ok(())
    }

    /// Waits until the provider was asked for money, or it has ended before.
    async fn charge_begins(&self, gid: &str) -> Result<(), String> {
        while !self.has_ended(gid).await? {
            let events = self.load.history(gid).await.unwrap_or_default();
            if events.iter().any(|event| event.branch_id == CHARGE && event.op == "try") {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Whether it is final, or waits for a person.
    async fn has_ended(&self, gid: &str) -> Result<bool, String> {
        let now = self.load.get(gid).await.map_err(|status| format!("{gid}: {status}"))?;
        Ok(now.finished_at.is_some() || now.attention.is_some())
    }
}
