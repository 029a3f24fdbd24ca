//! `amends preflight`: whether definitions, or steps of one's own, fit the services that they call. Calls nobody: for CI.
use crate::exit::Exit;
use crate::json;
use crate::output::{Format, Paint, Tone, mode_name, print_json, print_text};
use crate::start::{ModeArg, read};
use amends_orchestrator::preflight::{self, Finding, Grounds, Kind, Report, Services, StepTimes, Weight};
use amends_proto::amends::v1::{StartSagaRequest, StartTccRequest};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Checks that definitions, or steps of your own, fit the services that they call; calls nobody
///
/// Without a file every definition is checked, in both modes. With one, the JSON of amends.v1.StartSagaRequest or
/// StartTccRequest as `amends start own` takes it. Each method must exist and take what the step sends, each step up to the
/// pivot must have an undo, sizes and times must fit. Ends with 1 if something is refused; warnings are told only.
/// E.g. amends preflight --mode saga --input steps.json --descriptors trip.binpb --participant hotel
#[derive(Debug, clap::Args)]
pub struct Preflight {
    /// File with steps of your own as JSON; - reads standard input
    #[arg(long, value_name = "FILE|-", requires = "mode")]
    input: Option<PathBuf>,
    /// What the file asks for
    #[arg(long, value_enum, requires = "input")]
    mode: Option<ModeArg>,
    /// File with an encoded google.protobuf.FileDescriptorSet of services and their imports; repeat for each
    #[arg(long, value_name = "FILE")]
    descriptors: Vec<PathBuf>,
    /// A participant on the orchestrator's allow-list; repeat for each [default: all that the steps name]
    #[arg(long = "participant", value_name = "NAME")]
    participants: Vec<String>,
    /// As of `amends serve orchestrator`
    #[arg(long, default_value_t = 60_000, value_parser = clap::value_parser!(i32).range(100..))]
    pivot_timeout_ms: i32,
    /// As of `amends serve orchestrator`
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(i32).range(100..))]
    try_timeout_ms: i32,
    /// As of `amends serve orchestrator`
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i32).range(0..=604_800_000))]
    transaction_timeout_ms: i32,
}

impl Preflight {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let mut services = Services::of_this_build();
        for file in &self.descriptors {
            let named = || file.display().to_string();
            let bytes = std::fs::read(file).with_context(|| format!("read {}", named()))?;
            services.add(&bytes).with_context(named)?;
        }
        let names: Vec<&str> = self.participants.iter().map(String::as_str).collect();
        let times = StepTimes {
            pivot_timeout_ms: self.pivot_timeout_ms,
            try_timeout_ms: self.try_timeout_ms,
            transaction_timeout_ms: self.transaction_timeout_ms,
        };
        let participants = (!names.is_empty()).then_some(names.as_slice());
        let grounds = Grounds { services: &services, participants, times };
        let reports = match (&self.input, self.mode) {
            (Some(file), Some(ModeArg::Saga)) => {
                let request: StartSagaRequest = json::parse("amends.v1.StartSagaRequest", &read(file)?)?;
                vec![preflight::saga(&grounds, &request)]
            }
            (Some(file), Some(ModeArg::Tcc)) => {
                let request: StartTccRequest = json::parse("amends.v1.StartTccRequest", &read(file)?)?;
                vec![preflight::tcc(&grounds, &request)]
            }
            (Some(_) | None, _) => preflight::definitions(&grounds),
        };
        anyhow::ensure!(!reports.is_empty(), "no definition has all its participants among those given");
        tell(&reports, format)?;
        Ok(if reports.iter().any(Report::is_refused) { Exit::Unsound } else { Exit::Ok })
    }
}

fn tell(reports: &[Report], format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => {
            let all = || reports.iter().flat_map(|report| &report.findings);
            let count = |weight| all().filter(|finding| finding.weight == weight).count();
            print_json(&json!({
                "checked": reports.iter().map(document).collect::<Vec<Value>>(),
                "refusals": count(Weight::Refusal),
                "warnings": count(Weight::Warning),
            }))
        }
        Format::Text => {
            print_text(&reports.iter().map(|report| text(report, Paint::detect())).collect::<String>())
        }
    }
}

fn document(report: &Report) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "weight": weight_name(finding.weight), "kind": kind_name(finding.kind),
            "step": finding.step, "what": finding.what,
        })
    };
    json!({
        "definition": report.definition, "mode": mode_name(report.mode), "steps": report.steps,
        "findings": report.findings.iter().map(finding).collect::<Vec<Value>>(),
    })
}

fn text(report: &Report, paint: Paint) -> String {
    let head = |tone, verdict: &str| {
        let verdict = paint.tone(tone, verdict);
        format!("{} {}  {} steps  {verdict}\n", report.definition, mode_name(report.mode), report.steps)
    };
    let head = match (report.is_refused(), report.findings.is_empty()) {
        (true, _) => head(Tone::Bad, "refused"),
        (false, true) => head(Tone::Good, "ok"),
        (false, false) => head(Tone::Warn, "ok, with warnings"),
    };
    let line = |finding: &Finding| {
        let step = if finding.step.is_empty() { String::new() } else { format!("step {}: ", finding.step) };
        format!("  {} {}: {step}{}\n", weight_name(finding.weight), kind_name(finding.kind), finding.what)
    };
    head + &report.findings.iter().map(line).collect::<String>()
}

fn weight_name(weight: Weight) -> &'static str {
    match weight {
        Weight::Refusal => "refusal",
        Weight::Warning => "warning",
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Plan => "plan",
        Kind::Method => "method",
        Kind::Request => "request",
        Kind::Undo => "undo",
        Kind::Size => "size",
        Kind::Time => "time",
        Kind::Participant => "participant",
    }
}
