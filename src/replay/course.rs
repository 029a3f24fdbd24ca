//! How far a replay is: its bar on a terminal, and what has been counted by now, which outlives a replay that is stopped.
//! Knows no order.
use super::drive::Tally;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::OnceLock;
use tokio::sync::watch;

/// The way from the first order to the last.
pub struct Course {
    bar: ProgressBar,
    tally: watch::Sender<Tally>,
    coordinator: OnceLock<String>,
}

/// What a replay does besides its orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Seeding,
    Orders,
    Checking,
}

impl Course {
    /// Nothing has been done yet, and nothing is shown.
    pub fn of(orders: usize) -> Course {
        let bar = ProgressBar::new(orders.try_into().unwrap_or(u64::MAX));
        let style = ProgressStyle::with_template(
            "{elapsed_precise} {bar:30} {pos}/{len} orders {per_sec} {eta} {msg}",
        );
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Course { bar, tally: watch::Sender::default(), coordinator: OnceLock::new() }
    }

    /// Says what begins: on a terminal only, on standard error.
    pub fn begin(&self, stage: Stage) {
        if stage == Stage::Orders {
            // Times and rates are those of the orders.
            self.bar.reset();
        }
        self.bar.set_message(stage.text());
    }

    /// Keeps who drives it.
    pub fn on(&self, coordinator: &str) {
        // A replay asks once; the first answer stays.
        self.coordinator.get_or_init(|| coordinator.to_owned());
    }

    /// Who drives it, once that is known.
    pub fn coordinator(&self) -> Option<&str> {
        self.coordinator.get().map(String::as_str)
    }

    /// Takes in one more end.
    pub fn count(&self, change: impl FnOnce(&mut Tally)) {
        self.tally.send_modify(change);
        self.bar.inc(1);
    }

    /// All orders of it.
    pub fn planned(&self) -> u64 {
        self.bar.length().unwrap_or_default()
    }

    /// Clears the bar away and tells what has been counted.
    pub fn end(&self) -> Tally {
        self.bar.finish_and_clear();
        self.tally.borrow().clone()
    }
}

impl Stage {
    fn text(self) -> &'static str {
        match self {
            Stage::Seeding => "seeding accounts and stock",
            Stage::Orders => "",
            Stage::Checking => "waiting for quiet and checking",
        }
    }
}
