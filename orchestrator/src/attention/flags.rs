//! Flags of the webhook, and the parts that they lead to.

use super::outbox::Outbox;
use super::sender::{Intervals, Sender, forget_old};
use super::webhook::{Trust, Webhook};
use crate::history::HistoryWriter;
use anyhow::{Context as _, bail};
use std::path::PathBuf;
use std::time::Duration;

/// Where openings and closings of needs for a person are told.
#[derive(Debug, Clone, clap::Args)]
pub struct WebhookArgs {
    /// Where to tell that a person is needed, and that nobody is any more: https://…, or http://… on this machine
    #[arg(
        long,
        env = "AMENDS_ATTENTION_WEBHOOK",
        value_name = "URL",
        hide_env_values = true,
        requires = "attention_webhook_key_file"
    )]
    attention_webhook: Option<String>,
    /// File with the key that signs what is told: 32 bytes or more in hex, readable by its owner only
    #[arg(long, env = "AMENDS_ATTENTION_WEBHOOK_KEY_FILE", value_name = "FILE")]
    attention_webhook_key_file: Option<PathBuf>,
    /// File with the root certificates that the receiver's must come from, in PEM; without, the machine's own count
    #[arg(
        long,
        env = "AMENDS_ATTENTION_WEBHOOK_CA_FILE",
        value_name = "FILE",
        requires = "attention_webhook"
    )]
    attention_webhook_ca_file: Option<PathBuf>,
    /// Milliseconds that the receiver may take for its answer
    #[arg(long, env = "AMENDS_ATTENTION_WEBHOOK_TIMEOUT_MS", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    attention_webhook_timeout_ms: u64,
    /// Milliseconds until what it did not take is sent again; they double with each attempt
    #[arg(long, env = "AMENDS_ATTENTION_WEBHOOK_RETRY_MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    attention_webhook_retry_ms: u64,
    /// The most that they double to
    #[arg(long, env = "AMENDS_ATTENTION_WEBHOOK_RETRY_CAP_MS", default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    attention_webhook_retry_cap_ms: u64,
}

impl WebhookArgs {
    /// The receiver, if there is one.
    ///
    /// # Errors
    /// Where URL or key cannot be used.
    pub fn webhook(&self) -> anyhow::Result<Option<Webhook>> {
        let Some(url) = &self.attention_webhook else { return Ok(None) };
        let Some(key_file) = &self.attention_webhook_key_file else {
            bail!("--attention-webhook-key-file: must be given with --attention-webhook");
        };
        let timeout = Duration::from_millis(self.attention_webhook_timeout_ms);
        let trust = self.attention_webhook_ca_file.clone().map_or(Trust::Machine, Trust::File);
        Webhook::new(url, key_file.clone(), &trust, timeout).context("--attention-webhook").map(Some)
    }

    /// Sends what is in the outbox to the receiver; without one, forgets what is old. Goes on for ever.
    pub async fn run(
        self,
        webhook: Option<Webhook>,
        outbox: Outbox,
        writer: HistoryWriter,
        clock: fn() -> i64,
    ) {
        let Some(webhook) = webhook else { return forget_old(outbox).await };
        let first = Duration::from_millis(self.attention_webhook_retry_ms);
        let cap = Duration::from_millis(self.attention_webhook_retry_cap_ms).max(first);
        Sender::new(outbox, webhook, Intervals { first, cap }, clock).run(writer).await;
    }
}
