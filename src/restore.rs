//! `amends restore`: makes a data folder what a backup says it was. Knows flags and what is told; the crate does it.
use crate::backup::{bar, files, tell};
use crate::exit::Exit;
use crate::output::{Format, print_json, print_text};
use amends_backup::{DtmData, Occupied, OldData, Restored, Source};
use anyhow::Context as _;
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Makes a data folder what a backup says it was; the system must not be running
#[derive(Debug, clap::Args)]
pub struct Restore {
    /// The folder of the backup
    #[arg(long, value_name = "FOLDER")]
    from: PathBuf,
    /// The data folder
    #[arg(long, env = "AMENDS_DATA_DIR", value_name = "DIR", default_value = ".amends")]
    data_dir: PathBuf,
    /// Move aside what is in the data folder; without this, it must be empty
    #[arg(long)]
    force: bool,
    /// Leave DTM its data, which knows more than the backup; otherwise DTM begins empty
    #[arg(long, requires = "force")]
    keep_dtm: bool,
}

impl Restore {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let began = Instant::now();
        let source = Source {
            from: self.from,
            data_dir: self.data_dir,
            occupied: if self.force { Occupied::MoveAside } else { Occupied::Refuse },
            dtm: if self.keep_dtm { DtmData::Keep } else { DtmData::Aside },
        };
        let bar = bar();
        let restored = {
            let bar = bar.clone();
            tokio::task::spawn_blocking(move || amends_backup::restore(&source, |at| tell(&bar, &at))).await?
        };
        bar.finish_and_clear();
        let restored = restored.context("restore")?;
        match format {
            Format::Json => print_json(&json!({
                "data_dir": restored.data_dir,
                "moved_aside": aside(&restored),
                "elapsed_s": began.elapsed().as_secs_f64(),
                "manifest": restored.manifest,
            }))?,
            Format::Text => print_text(&text(&restored, began.elapsed()))?,
        }
        Ok(Exit::Ok)
    }
}

fn aside(restored: &Restored) -> Option<PathBuf> {
    match &restored.old {
        OldData::None => None,
        OldData::At(path) => Some(path.clone()),
    }
}

fn text(restored: &Restored, elapsed: Duration) -> String {
    let manifest = &restored.manifest;
    let folder = restored.data_dir.display();
    let old =
        aside(restored).map_or(String::new(), |path| format!("What was there is now {}.\n", path.display()));
    format!(
        "{folder} is what it was at {at}: {all} global transactions, {open} of them open. That took {took:.1} s.\n{old}\n\
         {files}\nWhat is open goes on when the system starts. What was acknowledged after that moment is lost; what a \
         real\nprovider was asked since then has to be compared with `amends check`.\n",
        at = manifest.taken_at,
        all = manifest.global_transactions,
        open = manifest.open,
        took = elapsed.as_secs_f64(),
        files = files(manifest),
    )
}
