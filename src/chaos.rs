//! `amends chaos`: a system of its own under load, faults by a seed, and the verdict. Knows how it is asked for and told;
//! nothing of how anything is broken.
use crate::check;
use crate::coordinator::CoordinatorArg;
use crate::exit::Exit;
use crate::output::{Format, Paint, Tone, print_json, print_text, table};
use crate::start::ModeArg;
use amends_chaos::{Kind, Now, Place, Report, Settings, plan, rows};
use amends_psp::Profile;
use amends_stack::{Coordinator, CoordinatorChoice};
use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// Breaks a system of its own while checkouts run, and checks that nothing is lost
///
/// Starts every process on free ports, keeps dozens of checkouts in flight, and lets faults strike: processes are killed or
/// frozen, links between them delayed, cut or slowed down. Which ones, in which order and when is decided by the seed. At
/// the end all faults are off; everything must come to its end within 60 s, every acknowledged checkout must be there, and
/// no invariant may be broken. Exit 1 otherwise, and then the data folder is kept with a dump.
#[derive(Debug, clap::Args)]
pub struct Chaos {
    /// Checkouts to start at least; more are started where faults take longer than they do
    #[arg(long, value_name = "N", default_value = "300")]
    checkouts: NonZeroUsize,
    /// Faults that strike, of all kinds together
    #[arg(long, value_name = "N", default_value_t = 40)]
    kills: usize,
    /// Decides faults, orders and the PSP [default: a new one, which is printed]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Kinds of faults, in turn: kill, stop, pair, recovery, delay, loss, reset, half-open, duplicate, one-way, slow
    #[arg(long, value_delimiter = ',', value_name = "KIND,...", default_value = "kill,stop,pair,recovery")]
    faults: Vec<Kind>,
    /// Modes of the checkouts, mixed
    #[arg(long, value_enum, value_delimiter = ',', value_name = "MODE,...", default_value = "saga,tcc")]
    modes: Vec<ModeArg>,
    /// How the PSP behaves besides what cards say, drawn by the seed, e.g. charge_then_timeout=0.02
    #[arg(long, value_name = "BEHAVIOUR=SHARE,...", default_value = DEFAULT_PROFILE, value_parser = profile)]
    psp_profile: String,
    /// Prints the plan of faults and breaks nothing; with --coordinator auto, that for DTM
    #[arg(long)]
    plan: bool,
    /// A new folder for everything, which is kept [default: a temporary one, kept if something is wrong]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Writes a page with charts to this file
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    #[command(flatten)]
    coordinator: CoordinatorArg,
}

/// A little of everything that a PSP does to its callers.
const DEFAULT_PROFILE: &str =
    "slow(200ms)=0.05,charge_then_timeout=0.02,5xx_after_charge=0.02,5xx_before=0.02";

/// The PSP's own reading of it decides; it is passed on as text.
fn profile(text: &str) -> Result<String, amends_psp::ProfileError> {
    text.parse::<Profile>().map(|_| text.to_owned())
}

impl Chaos {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let settings = self.settings();
        if self.plan {
            tell_plan(&settings, format)?;
            return Ok(Exit::Ok);
        }
        let folder = Folder::make(self.data_dir.as_deref())?;
        eprintln!("seed {}, everything is in {}", settings.seed, folder.path().display());
        let program = std::env::current_exe().context("find this program")?;
        let place = Place { program, folder: folder.path().to_owned() };
        let ran = tokio::select! {
            report = play(&settings, &place) => report,
            () = amends_serve::shutdown::signal() => bail!("stopped before its end"),
        };
        let mut report = match ran {
            Ok(report) => report,
            Err(error) => {
                let kept = folder.keep();
                return Err(error.context(format!("seed {}, kept in {}", settings.seed, kept.display())));
            }
        };
        report.data_dir = folder.keep_unless(report.ok);
        if let Some(file) = &self.report {
            let page = amends_chaos::page(&report);
            std::fs::write(file, page).with_context(|| format!("write {}", file.display()))?;
        }
        match format {
            Format::Json => print_json(&json!(report))?,
            Format::Text => print_text(&text(&report, Paint::detect()))?,
        }
        Ok(if report.ok { Exit::Ok } else { Exit::Unsound })
    }

    fn settings(&self) -> Settings {
        Settings {
            seed: self.seed.unwrap_or_else(amends_chaos::fresh_seed),
            checkouts: self.checkouts.get(),
            faults: self.kills,
            kinds: self.faults.clone(),
            modes: self.modes.iter().map(|mode| (*mode).into()).collect(),
            coordinator: self.coordinator.into(),
            psp_profile: self.psp_profile.clone(),
        }
    }
}

/// Where a run keeps everything: a folder of the caller's, or one that goes again.
enum Folder {
    Given(PathBuf),
    Own(tempfile::TempDir),
}

impl Folder {
    fn make(given: Option<&Path>) -> anyhow::Result<Folder> {
        let Some(given) = given else {
            let folder = tempfile::Builder::new().prefix("amends-chaos-").tempdir();
            return Ok(Folder::Own(folder.context("make a temporary folder")?));
        };
        std::fs::create_dir_all(given).with_context(|| format!("make {}", given.display()))?;
        let used = std::fs::read_dir(given).with_context(|| format!("read {}", given.display()))?.next();
        if used.is_some() {
            bail!("{} is not empty: each run keeps everything in a new folder", given.display());
        }
        Ok(Folder::Given(given.to_owned()))
    }

    fn path(&self) -> &Path {
        match self {
            Folder::Given(path) => path,
            Folder::Own(folder) => folder.path(),
        }
    }

    fn keep(self) -> PathBuf {
        match self {
            Folder::Given(path) => path,
            Folder::Own(folder) => folder.keep(),
        }
    }

    fn keep_unless(self, clean: bool) -> Option<PathBuf> {
        match self {
            Folder::Own(folder) if clean => {
                drop(folder);
                None
            }
            Folder::Given(_) | Folder::Own(_) => Some(self.keep()),
        }
    }
}

/// Runs it beside a progress bar, which only a terminal shows.
async fn play(settings: &Settings, place: &Place) -> anyhow::Result<Report> {
    let style = ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} checkouts, {msg}")?;
    let bar = ProgressBar::new(settings.checkouts as u64).with_style(style);
    let now = watch::Sender::<Now>::default();
    let report = tokio::select! {
        report = amends_chaos::run(settings, place, &now) => report,
        never = show(now.subscribe(), settings, &bar) => match never {},
    };
    bar.finish_and_clear();
    Ok(report?)
}

/// Shows how far it is for as long as it runs.
async fn show(mut now: watch::Receiver<Now>, settings: &Settings, bar: &ProgressBar) -> Infallible {
    while now.changed().await.is_ok() {
        let seen = now.borrow_and_update().clone();
        bar.set_position(seen.ended);
        bar.set_length(seen.ended.max(settings.checkouts as u64));
        bar.set_message(format!("{}/{} faults: {}", seen.struck, settings.faults, seen.doing));
    }
    std::future::pending().await
}

fn tell_plan(settings: &Settings, format: Format) -> anyhow::Result<()> {
    let coordinator = match settings.coordinator {
        CoordinatorChoice::Auto | CoordinatorChoice::Dtm => Coordinator::Dtm,
        CoordinatorChoice::Embedded => Coordinator::Embedded,
    };
    let plan = rows(&plan(settings, coordinator));
    match format {
        Format::Json => print_json(&json!({
            "seed": settings.seed, "coordinator": coordinator.as_str(), "checkouts": settings.checkouts,
            "faults": plan,
        })),
        Format::Text => {
            let row =
                |row: amends_chaos::Row| vec![row.number.to_string(), row.at_end.to_string(), row.fault];
            let lines =
                table(&["#", "at end", "fault"], &["#", "at end"], plan.into_iter().map(row).collect());
            print_text(&format!("seed {}, on {coordinator}\n{lines}", settings.seed))
        }
    }
}

fn text(report: &Report, paint: Paint) -> String {
    let verdict = match report.ok {
        true => paint.tone(Tone::Good, "clean"),
        false => paint.tone(Tone::Bad, "not clean"),
    };
    let counted = |what: &str, counts: &std::collections::BTreeMap<String, usize>| {
        let each: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
        vec![what.to_owned(), each.join(", ")]
    };
    let mut rows = vec![
        vec!["seed".to_owned(), report.seed.to_string()],
        vec!["coordinator".to_owned(), report.coordinator.clone()],
        vec!["acknowledged".to_owned(), report.acknowledged.to_string()],
        vec!["lost and repeated".to_owned(), report.repeated.to_string()],
    ];
    rows.extend(report.struck.iter().map(|(kind, victims)| counted(kind, victims)));
    rows.extend(report.ends.iter().map(|(mode, statuses)| counted(mode, statuses)));
    rows.push(vec![
        "served again".to_owned(),
        format!("{:.1} s after a death at most", seconds(report.back_ms)),
    ]);
    rows.push(vec!["last end".to_owned(), format!("{:.1} s after the faults", seconds(report.final_ms))]);
    rows.push(vec!["quiet".to_owned(), format!("{:.1} s after the faults", seconds(report.quiet_ms))]);
    let latency = report.latency_ms;
    rows.push(vec![
        "latency".to_owned(),
        format!("p50 {} ms, p99 {} ms, longest {} ms", latency.p50, latency.p99, latency.max),
    ]);
    rows.push(vec!["elapsed".to_owned(), format!("{:.1} s", seconds(report.elapsed_ms))]);
    let figures = table(&["chaos", &verdict], &[], rows);
    let checkers = report.checkers.as_ref().map(|checkers| check::text(checkers, paint)).unwrap_or_default();
    let doubts = report.in_doubt.iter().map(|it| format!("open: {} {} {}\n", it.gid, it.cause, it.text));
    let failures = report.failures.iter().map(|failure| format!("wrong: {failure}\n"));
    let kept = report.data_dir.iter().map(|folder| format!("kept in {}\n", folder.display()));
    format!("{figures}\n{checkers}{}", doubts.chain(failures).chain(kept).collect::<String>())
}

fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_profile_is_one_that_the_psp_reads() {
        assert_eq!(profile(DEFAULT_PROFILE).as_deref(), Ok(DEFAULT_PROFILE));
        assert!(profile("rain=0.5").is_err());
    }

    #[test]
    fn a_used_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Folder::make(Some(folder.path())).is_ok());
        std::fs::write(folder.path().join("witness"), "").unwrap();
        assert!(Folder::make(Some(folder.path())).is_err());
    }
}
