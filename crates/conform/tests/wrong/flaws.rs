//! Each flaw is found by the rule that is named for it.
use crate::participant::Flaw;
use crate::server::{Reflection, Server, rules, saga, tcc};
use amends_conform::{Config, Form, Hooks, Report, Rule, Verdict};
use std::time::Duration;

/// Each flaw with the rule that must find it.
const FLAWS: [(Flaw, Rule); 20] = [
    (Flaw::AlwaysRefuses, Rule::Success),
    (Flaw::ForgetsAnswers, Rule::Duplicate),
    (Flaw::LooksThenWrites, Rule::ConcurrentDuplicates),
    (Flaw::ConfirmsTwice, Rule::ConfirmRepeated),
    (Flaw::UndoesTwice, Rule::UndoRepeated),
    (Flaw::WantsActionFirst, Rule::UndoBeforeAction),
    (Flaw::StaysOpen, Rule::ActionAfterUndo),
    (Flaw::StaysRunning, Rule::SlowCall),
    (Flaw::ServesOtherPayload, Rule::OtherPayload),
    (Flaw::UndoesOtherPayload, Rule::OtherPayloadUndo),
    (Flaw::NeedsNoNames, Rule::MissingMetadata),
    (Flaw::IgnoresOp, Rule::UnknownOp),
    (Flaw::IgnoresMac, Rule::PlanMac),
    (Flaw::ConfirmsNothing, Rule::ConfirmWithoutTry),
    (Flaw::ConfirmsCancelled, Rule::ConfirmAfterCancel),
    (Flaw::CancelsConfirmed, Rule::CancelAfterConfirm),
    (Flaw::ForgetsRefusals, Rule::RefusalRepeated),
    (Flaw::BlamesRefused, Rule::UndoAfterRefusal),
    (Flaw::TellsAll, Rule::MessageFits),
    (Flaw::RefusesUndo, Rule::SecondPhaseNeverAborted),
];

/// What a flaw breaks besides the rule that is named for it: it cannot break that one alone.
fn also(flaw: Flaw) -> &'static [Rule] {
    if flaw == Flaw::ForgetsAnswers {
        &[Rule::ConcurrentDuplicates, Rule::SlowCall]
    } else if flaw == Flaw::UndoesTwice {
        &[Rule::ConcurrentDuplicates]
    } else {
        &[]
    }
}

async fn judged(flaw: Flaw, form: Form) -> Report {
    let server = Server::start(flaw, Reflection::V1).await;
    // Only a call that stays open for ever is waited for in vain.
    let patience = if flaw == Flaw::StaysRunning { Duration::from_secs(2) } else { Duration::from_secs(20) };
    amends_conform::run(Config { patience, ..server.config(form) }, |_| ()).await.unwrap()
}

async fn found(form: Form) {
    let mut wrong = Vec::new();
    for (flaw, rule) in FLAWS.into_iter().filter(|(_, rule)| rule.is_about(&form)) {
        let report = judged(flaw, form.clone()).await;
        let broken = rules(&report, Verdict::Breach);
        let is_explained = |other: &Rule| *other == rule || also(flaw).contains(other);
        if !broken.contains(&rule) || !broken.iter().all(is_explained) {
            let told: Vec<_> =
                report.rules.iter().filter(|finding| finding.verdict == Verdict::Breach).collect();
            wrong.push(format!("{flaw:?} breaks {broken:?}: {told:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_flaw_of_a_tcc_is_found_by_its_rule() {
    found(tcc()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_flaw_of_a_saga_is_found_by_its_rule() {
    found(saga()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_its_memory_in_a_crash_is_found() {
    for form in [tcc(), saga()] {
        let server = Server::start(Flaw::LosesMemory, Reflection::V1).await;
        let config = server.config(form);
        let hooks = Hooks { crash: Some(server.crashing()), ..config.hooks.clone() };
        let report = amends_conform::run(Config { hooks, ..config }, |_| ()).await.unwrap();
        assert_eq!(rules(&report, Verdict::Breach), [Rule::Crash], "{report:#?}");
    }
}

/// Without a probe answers are all there is: what they show is found, and what they cannot show is not claimed.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_call_that_is_answered_as_done_is_a_breach_without_a_probe_too() {
    let server = Server::start(Flaw::StaysOpen, Reflection::V1).await;
    let config = Config { hooks: Hooks::default(), ..server.config(tcc()) };
    let report = amends_conform::run(config, |_| ()).await.unwrap();
    assert_eq!(rules(&report, Verdict::Breach), [Rule::ActionAfterUndo], "{report:#?}");
}
