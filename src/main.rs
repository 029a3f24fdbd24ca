//! The one command of Amends: roles and verbs. This file is the table of contents; each verb group has its own file.
mod attention;
mod backup;
mod bench;
mod bulk;
mod chaos;
mod check;
mod conform;
mod connect;
mod coordinator;
mod demo;
mod dev;
mod exit;
mod explain;
mod fuzz;
mod generate;
mod holds;
mod in_doubt;
mod json;
mod lanes;
mod lifeline;
mod man;
mod output;
mod preflight;
mod reference;
mod replay;
mod restore;
mod serve;
mod show;
mod standing;
mod start;
mod stats;
mod steer;
mod timeline;
mod top;
mod transactions;
mod unknown;
mod watch;

use amends_serve::telemetry::LogFormat;
use clap::{CommandFactory as _, Parser};
use exit::Exit;
use output::Format;
use std::io::Write as _;
use std::process::ExitCode;

/// All roles share it: many small, short-lived allocations on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A saga orchestrator on top of the DTM server, with its payments domain
#[derive(Parser)]
#[command(name = "amends", version, after_help = EXIT_CODES)]
struct Cli {
    /// How results are printed
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    output: Format,
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 ok · 1 error · 2 usage · 3 the global transaction ended failed or \
    cancelled · 4 it is still running";

#[derive(clap::Subcommand)]
enum Verb {
    Dev(dev::Dev),
    Demo(demo::Demo),
    Replay(replay::Replay),
    Check(check::Check),
    Bench(bench::Bench),
    Chaos(chaos::Chaos),
    Fuzz(Box<fuzz::Fuzz>),
    Conform(Box<conform::Conform>),
    Preflight(preflight::Preflight),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Serve(Box<serve::Serve>),
    Start(start::Start),
    Get(transactions::Get),
    List(transactions::List),
    Show(show::Show),
    Explain(explain::Explain),
    InDoubt(in_doubt::InDoubt),
    Retry(steer::Retry),
    Redrive(steer::Redrive),
    Pause(steer::Pause),
    Resume(steer::Resume),
    Holds(holds::Holds),
    Resolve(steer::Resolve),
    Attention(attention::Attention),
    Ack(attention::Ack),
    Watch(watch::Watch),
    Wait(transactions::Wait),
    Cancel(transactions::Cancel),
    Lanes(lanes::Lanes),
    Stats(stats::Stats),
    Top(top::Top),
    Bulk(bulk::Bulk),
    Generate(generate::Generate),
    #[command(hide = true)]
    Reference(reference::Reference),
    /// Prints a script that completes this command's words in your shell
    Completions {
        /// Your shell
        shell: clap_complete::Shell,
    },
    Man(man::Man),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let format = cli.output;
    let outcome = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = outcome.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run(cli)));
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&error, format),
    }
}

async fn run(cli: Cli) -> anyhow::Result<Exit> {
    let format = cli.output;
    if !matches!(cli.verb, Verb::Serve(_)) {
        // Served roles choose the form of their log by a flag of their own.
        amends_serve::telemetry::init(LogFormat::Pretty, &amends_serve::telemetry::levels_of_environment());
    }
    match cli.verb {
        Verb::Dev(dev) => dev.run(format).await,
        Verb::Demo(demo) => demo.run(format).await,
        Verb::Replay(replay) => replay.run(format).await,
        Verb::Check(check) => check.run(format).await,
        Verb::Bench(bench) => bench.run(format).await,
        Verb::Chaos(chaos) => chaos.run(format).await,
        Verb::Fuzz(fuzz) => fuzz.run(format).await,
        Verb::Conform(conform) => conform.run(format).await,
        Verb::Preflight(preflight) => preflight.run(format).await,
        Verb::Backup(backup) => backup.run(format).await,
        Verb::Restore(restore) => restore.run(format).await,
        Verb::Serve(serve) => serve.run().await,
        Verb::Start(start) => start.run(format).await,
        Verb::Get(get) => get.run(format).await,
        Verb::List(list) => list.run(format).await,
        Verb::Show(show) => show.run(format).await,
        Verb::Explain(explain) => explain.run(format).await,
        Verb::InDoubt(in_doubt) => in_doubt.run(format).await,
        Verb::Retry(retry) => retry.run(format).await,
        Verb::Redrive(redrive) => redrive.run(format).await,
        Verb::Pause(pause) => pause.run(format).await,
        Verb::Resume(resume) => resume.run(format).await,
        Verb::Holds(holds) => holds.run(format).await,
        Verb::Resolve(resolve) => resolve.run(format).await,
        Verb::Attention(attention) => attention.run(format).await,
        Verb::Ack(ack) => ack.run(format).await,
        Verb::Watch(watch) => watch.run(format).await,
        Verb::Wait(wait) => wait.run(format).await,
        Verb::Cancel(cancel) => cancel.run(format).await,
        Verb::Lanes(lanes) => lanes.run(format).await,
        Verb::Stats(stats) => stats.run(format).await,
        Verb::Top(top) => top.run(format).await,
        Verb::Bulk(bulk) => bulk.run(format).await,
        Verb::Generate(generate) => generate.run(format).await,
        Verb::Reference(reference) => reference.run(&Cli::command()),
        Verb::Completions { shell } => {
            // Made in memory first: whoever reads only its first lines closes the pipe, which is no failure of ours.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "amends", &mut script);
            let _ = std::io::stdout().write_all(&script);
            Ok(Exit::Ok)
        }
        Verb::Man(man) => man.run(Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parses(line: &str) -> bool {
        Cli::try_parse_from(line.split_whitespace()).is_ok()
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_documented_shapes_parse() {
        for line in [
            "amends start checkout --mode saga --input order.json --wait 10 --request-id r1 --output json",
            "amends start checkout --mode tcc --input - --business-key demo/1 --caller shop --target h:1",
            "amends start own --mode saga --input steps.json --wait 10 --request-id r1",
            "amends get 018f0000-0000-7000-8000-000000000000",
            "amends get --business-key demo/1",
            "amends list --status running --status STATUS_FAILED --limit 3 --page-token abc",
            "amends list --filter attention --limit 3",
            "amends stats --output json",
            "amends top --target h:1",
            "amends top --once --output json",
            "amends bulk retry --filter attention --preview",
            "amends bulk pause --filter open --reason x --per-second 5 --expect 3 --no-wait",
            "amends bulk show 018f0000-0000-7000-8000-000000000000 --output json",
            "amends generate --finished 1000000 --open 1000 --data-dir x --measure",
            "amends generate --finished 1000000 --open 10000 --data-dir x --pages --budget-ms 200",
            "amends show 018f0000-0000-7000-8000-000000000000 --output json",
            "amends explain 018f0000-0000-7000-8000-000000000000 --output json",
            "amends show 018f0000-0000-7000-8000-000000000000 --payload",
            "amends in-doubt list --all --output json",
            "amends in-doubt claim i --ttl 60 --caller alice",
            "amends in-doubt propose i --outcome charged --psp-txn-id t --evidence seen --gateway h:1",
            "amends in-doubt approve i --token 3",
            "amends retry 018f0000-0000-7000-8000-000000000000 --step 05 --op action --reason back",
            "amends pause 018f0000-0000-7000-8000-000000000000 --deadlines run --reason why",
            "amends pause --definition checkout --reason why --expect-seq 7",
            "amends resume --participant gateway",
            "amends holds --ended --output json",
            "amends resolve 018f0000-0000-7000-8000-000000000000 --step 06 --op confirm --outcome refused --evidence x",
            "amends attention --cause disagreement --owner ann --unacknowledged --limit 5",
            "amends ack 018f0000-0000-7000-8000-000000000000 --cause disagreement --owner ann --note seen",
            "amends watch 018f0000-0000-7000-8000-000000000000 --from-seq 5 --output json",
            "amends wait 018f0000-0000-7000-8000-000000000000 --timeout 5",
            "amends cancel 018f0000-0000-7000-8000-000000000000 --reason changed-mind",
            "amends lanes gateway --output json",
            "amends lanes set gateway --concurrency 8 --rate 50 --target h:1",
            "amends lanes reset gateway",
            "amends conform --list --output json",
            "amends conform --target h:1 --service a.B --try T --confirm C --cancel X --payload - --set a.0.b=4 --rule crash",
            "amends conform --target h:1 --service a.B --action A --compensate U --payload p.json --other-payload q.json",
            "amends dev --data-dir /tmp/x --free-ports",
            "amends dev --coordinator embedded",
            "amends preflight",
            "amends preflight --mode tcc --input - --descriptors x.binpb --participant hotel --output json",
            "amends demo",
            "amends demo --coordinator dtm",
            "amends replay --data x --coordinator auto",
            "amends replay --data tests/data/northwind --mode tcc --stock-factor 0.5 --decline-every 10 --concurrency 1",
            "amends check --target h:1 --output json",
            "amends bench --quick --store boltdb --rounds 5 --cases saga2,saga2_refused --in-flight 1,16",
            "amends bench --store boltdb,redis,postgres --coordinator dtm,embedded",
            "amends bench --coordinator auto",
            "amends bench --quick --round-ms 300 --in-flight 1,256 --report docs/benchmarks",
            "amends bench --wake --store boltdb,redis,postgres",
            "amends bench --lanes --quick --rounds 1 --coordinator embedded",
            "amends fuzz --duration 180s --seed 7 --workers 2 --memory 256 --out x --output json",
            "amends fuzz --target h:1,relay=h:2 --duration 3m",
            "amends fuzz --replay x.json --target h:1",
            "amends chaos --checkouts 2000 --kills 200 --seed 4660 --coordinator dtm --faults kill,half-open --modes tcc",
            "amends chaos --plan --psp-profile decline=0.1 --report chaos.html --data-dir x --output json",
            "amends backup --data-dir x --to y --without account,points --output json",
            "amends restore --from y --data-dir x --force --keep-dtm",
            "amends completions bash",
            "amends man",
            "amends reference --dir x",
            "amends man --dir x",
        ] {
            assert!(parses(line), "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_does_not_parse() {
        for line in [
            "amends",
            "amends get",
            "amends get a --business-key b",
            "amends cancel a",
            "amends pause",
            "amends pause a --definition b",
            "amends retry a --step 05",
            "amends resolve a --step 06 --op confirm --outcome maybe --evidence x",
            "amends resolve a --step 06 --op confirm --outcome refused",
            "amends lanes set gateway",
            "amends lanes set gateway --speed 3",
            "amends conform",
            "amends conform --target h:1 --service a.B --try T --confirm C --payload -",
            "amends conform --target h:1 --service a.B --action A --compensate U --try T --confirm C --cancel X --payload -",
            "amends conform --target h:1 --service a.B --action A --compensate U --payload - --rule nothing",
            "amends backup",
            "amends backup --to y --without dtm",
            "amends restore --from y --keep-dtm",
            "amends bench --wake --report docs/benchmarks",
            "amends bench --round-ms 0",
            "amends fuzz --duration 3h",
            "amends fuzz --replay x.json --seed 1",
            "amends bench --store mysql",
            "amends chaos --faults rain",
            "amends chaos --psp-profile rain=1",
            "amends chaos --checkouts 0",
            "amends bench --wake --lanes",
            "amends bench --coordinator raw",
            "amends demo --coordinator both",
            "amends replay --data x --target h:1 --coordinator embedded",
            "amends attention --acknowledged --unacknowledged",
            "amends ack",
            "amends watch",
            "amends watch a --from-seq 0",
            "amends in-doubt propose i --outcome charged --evidence seen",
            "amends in-doubt propose i --outcome not-charged",
            "amends in-doubt claim i --ttl 301",
            "amends list --status walking",
            "amends list --limit 0",
            "amends bulk retry",
            "amends bulk resolve --filter open",
            "amends start checkout --mode both --input -",
            "amends start own --input steps.json",
        ] {
            assert!(!parses(line), "{line}");
        }
    }
}
