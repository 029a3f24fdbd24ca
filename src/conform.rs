//! `amends conform`: judges a participant of a service team, in whatever language, by the rules of branch calls.
use crate::exit::{self, Exit};
use crate::output::{Format, Paint, Tone, print_json, print_text, table};
use crate::start::read;
use amends_conform::{Config, ConformError, Finding, Form, Hooks, Report, Rule, Template, Verdict, command};
use amends_dtm::plan_mac::PlanMacKey;
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Judges a participant, in whatever language, by the rules of branch calls
///
/// Calls the methods as a coordinator does at its worst: twice, at once, in the wrong order, with other payloads, giving up in
/// the middle. Each rule uses branches of its own: ${uuid}, ${uuid:NAME} and ${gid} in the payload become new ids. Point it at
/// a test system, never at a live one. Exit codes: 0 no breach · 1 a breach, or the target is away · 2 usage, an unknown method
/// or a payload that does not fit. Hooks are shell commands that read CONFORM_TARGET, CONFORM_GID, CONFORM_BRANCH_ID and
/// CONFORM_PAYLOAD.
#[derive(Debug, clap::Args)]
pub struct Conform {
    /// Print the rules with their reasons and end
    #[arg(long)]
    list: bool,
    /// The participant
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "list")]
    target: Option<String>,
    /// Full name of its gRPC service
    #[arg(long, value_name = "NAME", required_unless_present = "list")]
    service: Option<String>,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    payloads: PayloadArgs,
    #[command(flatten)]
    hooks: HookArgs,
    /// File with an encoded google.protobuf.FileDescriptorSet [default: the target's reflection]
    #[arg(long, value_name = "FILE")]
    descriptor: Option<PathBuf>,
    /// File with the plan MAC's key, for participants that demand it
    #[arg(long, value_name = "FILE")]
    plan_mac_key: Option<PathBuf>,
    /// Judge this rule only; repeat for more
    #[arg(long = "rule", value_name = "ID", value_parser = rule)]
    rules: Vec<Rule>,
    /// Makes all ids; the same seed asks an emptied target the same again [default: a new one]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The longest that one call may take
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(10..=600_000))]
    timeout_ms: u64,
    /// The longest that "ask again" may go on
    #[arg(long, value_name = "MS", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(10..=3_600_000))]
    patience_ms: u64,
    /// Calls at the same moment
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(2..=500))]
    concurrency: u16,
}

/// The methods that belong together.
#[derive(Debug, clap::Args)]
struct FormArgs {
    /// TCC: the method that reserves
    #[arg(long, value_name = "METHOD", requires_all = ["confirm", "cancel"], required_unless_present_any = ["action", "list"])]
    r#try: Option<String>,
    /// TCC: the method that applies
    #[arg(long, value_name = "METHOD", requires = "try")]
    confirm: Option<String>,
    /// TCC: the method that gives back
    #[arg(long, value_name = "METHOD", requires = "try")]
    cancel: Option<String>,
    /// SAGA: the forward method
    #[arg(long, value_name = "METHOD", requires = "compensate", conflicts_with = "try")]
    action: Option<String>,
    /// SAGA: the method that undoes it
    #[arg(long, value_name = "METHOD", requires = "action")]
    compensate: Option<String>,
}

/// What the methods are called with.
#[derive(Debug, clap::Args)]
struct PayloadArgs {
    /// A request as JSON that succeeds once for each branch; - reads standard input
    #[arg(long, value_name = "FILE|-", required_unless_present = "list")]
    payload: Option<PathBuf>,
    /// Another request for the same branch [default: the same with other ids]
    #[arg(long, value_name = "FILE", conflicts_with = "set")]
    other_payload: Option<PathBuf>,
    /// The other request is the first with this changed, e.g. lines.0.quantity=4; repeat for more
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// A request that is refused, for the rules about refusals
    #[arg(long, value_name = "FILE")]
    refused_payload: Option<PathBuf>,
}

/// What is done beside the calls.
#[derive(Debug, clap::Args)]
struct HookArgs {
    /// Makes what a branch needs, before its first call
    #[arg(long, value_name = "COMMAND")]
    prepare_command: Option<String>,
    /// Prints the effect that a branch has by now; the same effect in the same words, ids aside
    #[arg(long, value_name = "COMMAND")]
    probe_command: Option<String>,
    /// Kills the server, starts it again, and returns when it serves
    #[arg(long, value_name = "COMMAND")]
    crash_command: Option<String>,
}

impl Conform {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        if self.list {
            list(format)?;
            return Ok(Exit::Ok);
        }
        let judged = async {
            let config = self.config()?;
            let rules = if config.rules.is_empty() { Rule::ALL.len() } else { config.rules.len() };
            let bar = progress(rules);
            let told = |finding: &Finding| {
                bar.inc(1);
                bar.set_message(finding.id);
            };
            let report = amends_conform::run(config, told).await;
            bar.finish_and_clear();
            Ok::<Report, anyhow::Error>(report?)
        };
        match judged.await {
            Ok(report) => {
                match format {
                    Format::Json => print_json(&serde_json::to_value(&report)?)?,
                    Format::Text => print_text(&text(&report, Paint::detect()))?,
                }
                Ok(if report.count(Verdict::Breach) == 0 { Exit::Ok } else { Exit::Unsound })
            }
            Err(error) if error.downcast_ref().is_some_and(ConformError::is_usage) => {
                exit::report(&error, format);
                Ok(Exit::Usage)
            }
            Err(error) => Err(error),
        }
    }

    fn config(self) -> anyhow::Result<Config> {
        let absent = "the command line was checked";
        let payload = template(&self.payloads.payload.context(absent)?)?;
        let other_payload = match (&self.payloads.other_payload, self.payloads.set.as_slice()) {
            (Some(file), _) => Some(template(file)?),
            (None, []) => None,
            (None, [first, more @ ..]) => {
                let changed = payload.with(first).map_err(ConformError::from)?;
                let all = more.iter().try_fold(changed, |changed, change| changed.with(change));
                Some(all.map_err(ConformError::from)?)
            }
        };
        let descriptors = self
            .descriptor
            .map(|file| std::fs::read(&file).with_context(|| format!("read {}", file.display())));
        let mac_key = self.plan_mac_key.map(|file| PlanMacKey::from_file(&file));
        Ok(Config {
            target: self.target.context(absent)?,
            service: self.service.context(absent)?,
            form: self.form.form().context(absent)?,
            descriptors: descriptors.transpose()?,
            payload,
            other_payload,
            refused_payload: self.payloads.refused_payload.as_deref().map(template).transpose()?,
            mac_key: mac_key.transpose()?,
            hooks: Hooks {
                prepare: self.hooks.prepare_command.map(command),
                probe: self.hooks.probe_command.map(command),
                crash: self.hooks.crash_command.map(command),
            },
            seed: self.seed.unwrap_or_else(amends_conform::fresh_seed),
            timeout: Duration::from_millis(self.timeout_ms),
            patience: Duration::from_millis(self.patience_ms),
            concurrency: self.concurrency.into(),
            rules: self.rules,
        })
    }
}

impl FormArgs {
    fn form(self) -> Option<Form> {
        match (self.r#try, self.confirm, self.cancel, self.action, self.compensate) {
            (Some(r#try), Some(confirm), Some(cancel), _, _) => Some(Form::Tcc { r#try, confirm, cancel }),
            (_, _, _, Some(action), Some(compensate)) => Some(Form::Saga { action, compensate }),
            (_, _, _, _, _) => None,
        }
    }
}

fn rule(id: &str) -> Result<Rule, String> {
    Rule::named(id).ok_or_else(|| "no such rule; --list tells them".to_owned())
}

fn template(file: &Path) -> anyhow::Result<Template> {
    Ok(Template::parse(&read(file)?).map_err(ConformError::from)?)
}

fn progress(rules: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}");
    let bar = ProgressBar::new(rules.try_into().unwrap_or(u64::MAX));
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn list(format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => {
            let told = |rule: Rule| json!({"id": rule.id(), "demand": rule.demand(), "why": rule.why(), "source": rule.source()});
            print_json(&json!({"rules": Rule::ALL.map(told)}))
        }
        Format::Text => {
            let paint = Paint::detect();
            print_text(&Rule::ALL.map(|rule| explained(rule, paint)).concat())
        }
    }
}

fn explained(rule: Rule, paint: Paint) -> String {
    let id = paint.tone(Tone::Strong, rule.id());
    format!("{id}\n  {}\n  why: {}\n  from: {}\n", rule.demand(), rule.why(), rule.source())
}

fn text(report: &Report, paint: Paint) -> String {
    let row = |finding: &Finding| {
        vec![finding.id.to_owned(), finding.verdict.as_str().replace('_', " "), finding.what.clone()]
    };
    let mut text = format!("{} at {}: {}\n", report.service, report.target, report.methods.join(", "));
    text += &table(&["rule", "verdict", "what"], &[], report.rules.iter().map(row).collect());
    for finding in report.rules.iter().filter(|finding| finding.verdict == Verdict::Breach) {
        text += "\n";
        if let Some(rule) = Rule::named(finding.id) {
            text += &explained(rule, paint);
        }
        for line in &finding.evidence {
            // Writing into a text cannot fail.
            writeln!(text, "  {}", paint.tone(Tone::Faint, line)).ok();
        }
    }
    let [passed, broken, left] =
        [Verdict::Pass, Verdict::Breach, Verdict::NotRun].map(|verdict| report.count(verdict));
    let tone = if broken == 0 { Tone::Good } else { Tone::Bad };
    let sum = format!("{passed} passed, {broken} broken, {left} not run");
    text + &format!("\n{} (seed {})\n", paint.tone(tone, &sum), report.seed)
}
