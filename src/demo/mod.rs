//! `amends demo`: the whole system in a temporary folder, five stories told as they happen, and the proof that all of
//! it ended as told. Knows the order of the show; seeding, stories and figures have their own files.
mod figures;
pub mod shop;
mod stories;
mod verdict;

use crate::connect::Target;
use crate::coordinator::{self, CoordinatorArg};
use crate::exit::Exit;
use crate::output::{Format, Paint, Tone, print_json, print_text};
use crate::{dev, json, timeline};
use amends_serve::traces::{self, Kind, Span, TraceArgs};
use amends_stack::{Role, Stack, StackConfig};
use anyhow::Context as _;
use figures::Figures;
use serde_json::{Value, json};
use shop::Shop;
use stories::{STORIES, Told};

/// Plays five stories on a whole system of its own, shows what happened, and checks it
#[derive(Debug, clap::Args)]
pub struct Demo {
    #[command(flatten)]
    coordinator: CoordinatorArg,
    #[command(flatten)]
    traces: TraceArgs,
}

impl Demo {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let folder = tempfile::Builder::new().prefix("amends-demo-").tempdir().context("make a folder")?;
        let program = std::env::current_exe().context("find this program")?;
        let config = StackConfig::new(program, folder.path())
            .coordinator(self.coordinator.into())
            .traces(self.traces.collector(), self.traces.trace_sample)
            .args(Role::Gateway, ["--query-schedule", "300ms,500ms,1s,2s,2s,5s", "--psp-timeout-ms", "1500"]);
        traces::install(&self.traces, "cli").context("--otlp-endpoint")?;
        let narrator = Narrator { format, paint: Paint::detect() };
        narrator.heading("Starting the system: one process per role, stores in a temporary folder")?;
        let shutdown = amends_serve::shutdown::signal();
        tokio::pin!(shutdown);
        let stopped = || Err(anyhow::anyhow!("stopped before its end"));
        let stack = tokio::select! {
            stack = Stack::start(config) => stack.context("start the system")?,
            () = &mut shutdown => return stopped(),
        };
        coordinator::tell(&stack);
        let outcome = tokio::select! {
            outcome = play(&stack, &narrator) => outcome,
            () = &mut shutdown => stopped(),
        };
        stack.stop().await;
        traces::flush().await;
        outcome
    }
}

/// Tells people what happens; silent where a machine reads.
struct Narrator {
    format: Format,
    paint: Paint,
}

impl Narrator {
    fn say(&self, text: &str) -> anyhow::Result<()> {
        match self.format {
            Format::Text => print_text(text),
            Format::Json => Ok(()),
        }
    }

    fn heading(&self, text: &str) -> anyhow::Result<()> {
        self.say(&format!("\n{}\n\n", self.paint.tone(Tone::Strong, text)))
    }
}

async fn play(stack: &Stack, narrator: &Narrator) -> anyhow::Result<Exit> {
    narrator.say(&format!("{}\nCoordinator: {}\n", dev::processes(stack), coordinator::name(stack)))?;
    let target = Target { target: stack.address(Role::Orchestrator), caller: "demo".to_owned() };
    let connection = target.connect().await?;
    let shop = Shop::open(stack).await?;
    narrator.heading("Seeding wallets, stock and points")?;
    shop.seed().await?;
    let before = Figures::read(&shop).await?;
    narrator.say(&before.table())?;
    let mut told = Vec::new();
    for (index, story) in STORIES.iter().enumerate() {
        narrator.heading(&format!("Story {} · {}", index + 1, story.title))?;
        narrator.say(&format!("{}\n\n", story.text))?;
        let span = Span::root(Kind::Client, story.title);
        let play = stories::play(story, index, &shop, connection.clone());
        let end = traces::within(span.context(), play).await?;
        drop(span);
        let (story, paint) = (end.told.story(), narrator.paint);
        let head = timeline::head(story.transaction, paint);
        narrator.say(&format!("{head}\n{}", timeline::course(&story, paint)))?;
        narrator.say(&verdict_line(&end, narrator.paint))?;
        told.push(end);
    }
    let after = Figures::read(&shop).await?;
    narrator.heading("Before and after: alice paid three times, bob was put back to where he was")?;
    narrator.say(&Figures::comparison(&before, &after))?;
    narrator.heading("The checkers' verdict")?;
    let verdict = verdict::ask(stack).await?;
    narrator.say(&verdict.text)?;
    let mut wrong: Vec<String> = told.iter().flat_map(|end| end.wrong.clone()).collect();
    wrong.extend(Figures::unexpected(&before, &after));
    wrong.extend(verdict.violations.iter().cloned());
    narrator.say(&summary(&wrong, narrator.paint))?;
    if narrator.format == Format::Json {
        let stories: anyhow::Result<Vec<Value>> = told.iter().map(story_json).collect();
        print_json(&json!({
            "system": dev::addresses(stack), "stories": stories?, "before": before.json(), "after": after.json(),
            "not_as_told": wrong,
        }))?;
    }
    Ok(if wrong.is_empty() { Exit::Ok } else { Exit::Unsound })
}

fn verdict_line(end: &Told, paint: Paint) -> String {
    match end.wrong.as_slice() {
        [] => format!("\n{}\n", paint.tone(Tone::Good, "As told.")),
        wrong => format!("\n{}\n", paint.tone(Tone::Bad, &wrong.join("\n"))),
    }
}

fn summary(wrong: &[String], paint: Paint) -> String {
    match wrong {
        [] => format!("\n{}\n", paint.tone(Tone::Good, "All of it happened as told.")),
        wrong => format!("\n{}\n", paint.tone(Tone::Bad, &format!("Not as told:\n  {}", wrong.join("\n  ")))),
    }
}

fn story_json(end: &Told) -> anyhow::Result<Value> {
    Ok(json!({
        "title": end.title,
        "transaction": json::of("amends.v1.GlobalTransaction", &end.told.transaction)?,
        "coordinator_status": end.told.coordinator.as_ref().map(|view| view.status.clone()),
        "as_told": end.wrong.is_empty(),
    }))
}
