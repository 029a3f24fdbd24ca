//! `amends backup`: a copy of all SQLite stores as they are at one moment, while the system works. Knows flags and what
//! is told; the moment and the copies are the crate's.
use crate::exit::Exit;
use crate::output::{Format, print_json, print_text, table};
use amends_backup::{Backup as Taken, Manifest, Progress, StoreName, Wanted};
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Copies all SQLite stores of a data folder, as they are at one moment, while the system works
#[derive(Debug, clap::Args)]
pub struct Backup {
    /// The data folder of the system, running or not
    #[arg(long, env = "AMENDS_DATA_DIR", value_name = "DIR", default_value = ".amends")]
    data_dir: PathBuf,
    /// A new folder for the copies and the plan MAC's key; keep it as secret as the data folder
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// Stores that are kept elsewhere, for example account,points on PostgreSQL
    #[arg(long, value_name = "ROLE", value_delimiter = ',')]
    without: Vec<StoreName>,
}

impl Backup {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let wanted = Wanted {
            data_dir: self.data_dir,
            to: self.to,
            without: self.without.into_iter().collect(),
            amends_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let bar = bar();
        let taken = {
            let bar = bar.clone();
            tokio::task::spawn_blocking(move || amends_backup::back_up(&wanted, |at| tell(&bar, &at))).await?
        };
        bar.finish_and_clear();
        let taken = taken.context("back up")?;
        match format {
            Format::Json => print_json(&json!({"folder": taken.folder, "manifest": taken.manifest}))?,
            Format::Text => print_text(&text(&taken))?,
        }
        Ok(Exit::Ok)
    }
}

/// A bar for copied bytes; hidden where standard error is no terminal.
pub fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:18} {bar:32} {bytes}/{total_bytes} {bytes_per_sec}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Shows how far the copying is.
pub fn tell(bar: &ProgressBar, progress: &Progress) {
    bar.set_length(progress.total);
    bar.set_message(progress.file.clone());
    bar.set_position(progress.done);
}

/// The files of a backup, for people.
pub fn files(manifest: &Manifest) -> String {
    let rows = manifest.files.iter().map(|file| {
        let rows =
            file.store.as_ref().map_or(String::new(), |store| store.rows.values().sum::<u64>().to_string());
        vec![file.path.clone(), rows, file.bytes.to_string(), file.sha256[..16].to_owned()]
    });
    table(&["file", "rows", "bytes", "sha256"], &["rows", "bytes"], rows.collect())
}

fn text(taken: &Taken) -> String {
    let manifest = &taken.manifest;
    let key = if manifest.files.iter().any(|file| file.store.is_none() && file.path.starts_with("keys/")) {
        "The plan MAC's key is in it: keep it as secret as the data folder."
    } else {
        "The plan MAC's key is not in the data folder, and so not in the backup: keep it yourself."
    };
    let without = match manifest.without.as_slice() {
        [] => String::new(),
        stores => {
            let names = stores.iter().map(|store| store.as_str()).collect::<Vec<_>>().join(", ");
            format!(
                "Not in it: {names}. Stores kept elsewhere need a backup of their own (PostgreSQL: pg_dump).\n"
            )
        }
    };
    format!(
        "Backup of {at} in {folder}: {all} global transactions, {open} of them open.\nWork had to wait {wait:.1} ms.\n\n\
         {files}\n{key}\n{without}",
        at = manifest.taken_at,
        folder = taken.folder.display(),
        all = manifest.global_transactions,
        open = manifest.open,
        wait = Duration::from_micros(manifest.frozen_us).as_secs_f64() * 1_000.0,
        files = files(manifest),
    )
}
