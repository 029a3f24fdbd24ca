//! `amends conform` on the five services: real processes, killed for real. Every pair of branch methods keeps every rule
//! that can be judged by answers. What a breach looks like is tested beside the kit, on a participant that is wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod payloads;
mod verb;

use amends_conform::{Config, Form, Hook, Hooks, Rule, Template, Verdict};
use amends_dtm::plan_mac::PlanMacKey;
use amends_stack::{CoordinatorChoice, Restarts, Role, Stack, StackConfig};
use futures::FutureExt as _;
use payloads::{DEEDS, Deed};
use std::sync::Arc;
use std::time::Duration;

/// A system whose services offer reflection, and what the payloads need.
async fn started(folder: &std::path::Path) -> Arc<Stack> {
    let mut config = StackConfig::new(env!("CARGO_BIN_EXE_amends"), folder)
        .coordinator(CoordinatorChoice::Embedded)
        .restarts(Restarts::ByHand)
        .args(Role::Gateway, ["--query-schedule", "100ms,200ms,500ms,1s"])
        .args(Role::Gateway, ["--psp-queries-per-s", "50"]);
    for role in Role::PARTICIPANTS {
        config = config.args(role, ["--reflection"]);
    }
    let stack = Arc::new(Stack::start(config).await.unwrap());
    payloads::seed(&stack).await;
    stack
}

/// Kills the service and starts it again.
fn crashing(stack: &Arc<Stack>, role: Role) -> Hook {
    let stack = stack.clone();
    Arc::new(move |_| {
        let stack = stack.clone();
        async move {
            stack.kill9(role).await.map_err(|error| error.to_string())?;
            stack.restart(role).await.map_err(|error| error.to_string())?;
            stack.ready(role).await.map_err(|error| error.to_string())?;
            Ok(String::new())
        }
        .boxed()
    })
}

fn config(stack: &Arc<Stack>, deed: &Deed) -> Config {
    let key = PlanMacKey::from_file(&stack.key_file()).unwrap();
    let payload = Template::parse(deed.payload).unwrap();
    let refused = (!deed.refused.is_empty()).then(|| payload.with(deed.refused).unwrap());
    // A service is killed in its SAGA form only: what a crash does is the same guard's work in both.
    let crash = matches!(deed.form(), Form::Saga { .. }).then(|| crashing(stack, deed.role));
    let prepare = (deed.methods[0] == "MarkPaid").then(|| payloads::placing(stack, key.clone()));
    Config {
        target: stack.address(deed.role),
        service: deed.service(),
        form: deed.form(),
        descriptors: None,
        payload,
        other_payload: None,
        refused_payload: refused,
        mac_key: Some(key),
        hooks: Hooks { prepare, probe: None, crash },
        seed: amends_conform::fresh_seed(),
        timeout: Duration::from_secs(20),
        patience: Duration::from_secs(60),
        concurrency: 8,
        rules: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_five_services_keep_every_rule() {
    let folder = tempfile::tempdir().unwrap();
    let stack = started(folder.path()).await;
    for deed in &DEEDS {
        let report = amends_conform::run(config(&stack, deed), |_| ()).await.unwrap();
        let broken: Vec<_> = report.rules.iter().filter(|found| found.verdict == Verdict::Breach).collect();
        assert!(broken.is_empty(), "{:?}: {broken:#?}", deed.methods);
        let left: Vec<_> = report.rules.iter().filter(|found| found.verdict == Verdict::NotRun).collect();
        let lacks = |rule: Rule| {
            if matches!(rule, Rule::RefusalRepeated | Rule::UndoAfterRefusal) {
                deed.refused.is_empty()
            } else {
                !rule.is_about(&deed.form())
                    || (rule == Rule::Crash && matches!(deed.form(), Form::Tcc { .. }))
            }
        };
        let explained = |id: &str| Rule::named(id).is_some_and(lacks);
        assert!(left.iter().all(|found| explained(found.id)), "{:?}: {left:#?}", deed.methods);
    }
    Arc::into_inner(stack).unwrap().stop().await;
}
