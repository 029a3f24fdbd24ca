//! A participant that keeps the rules passes all of them, however it is described.
use crate::participant::Flaw;
use crate::server::{Reflection, Server, rules, saga, tcc};
use amends_conform::{Config, Hooks, Rule, Verdict};

#[tokio::test(flavor = "multi_thread")]
async fn the_right_participant_passes_every_rule() {
    for (form, reflection) in [(tcc(), Reflection::V1), (saga(), Reflection::V1Alpha)] {
        let server = Server::start(Flaw::None, reflection).await;
        let config = server.config(form.clone());
        let hooks = Hooks { crash: Some(server.crashing()), ..config.hooks.clone() };
        let mut told = 0;
        let report = amends_conform::run(Config { hooks, ..config }, |_| told += 1).await.unwrap();
        let passed: Vec<Rule> = Rule::ALL.into_iter().filter(|rule| rule.is_about(&form)).collect();
        assert_eq!(rules(&report, Verdict::Pass), passed, "{report:#?}");
        assert_eq!(rules(&report, Verdict::Breach), [], "{report:#?}");
        assert_eq!(told, Rule::ALL.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_judged_says_what_it_lacks() {
    let server = Server::start(Flaw::None, Reflection::None).await;
    let config = Config {
        descriptors: Some(amends_proto::DESCRIPTORS.to_vec()),
        refused_payload: None,
        hooks: Hooks::default(),
        ..server.config(saga())
    };
    let report = amends_conform::run(config, |_| ()).await.unwrap();
    assert_eq!(rules(&report, Verdict::Breach), [], "{report:#?}");
    let left = rules(&report, Verdict::NotRun);
    let about_confirm = Rule::ALL.into_iter().filter(|rule| !rule.is_about(&saga()));
    let lacking = [Rule::RefusalRepeated, Rule::UndoAfterRefusal, Rule::Crash];
    let mut expected: Vec<Rule> = about_confirm.chain(lacking).collect();
    expected.sort();
    assert_eq!(left, expected, "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_rule_alone_has_its_calls_as_evidence_and_a_seed_repeats_them() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let server = Server::start(Flaw::None, Reflection::V1).await;
        let config = Config { rules: vec![Rule::Duplicate], seed: 42, ..server.config(tcc()) };
        let mut report = amends_conform::run(config, |_| ()).await.unwrap();
        report.target.clear();
        runs.push(report);
    }
    assert_eq!(runs[0], runs[1]);
    let finding = &runs[0].rules[..];
    assert_eq!(finding.len(), 1);
    let calls = finding[0].evidence.iter().filter(|line| line.starts_with("try of ")).count();
    assert_eq!(calls, 3, "{finding:#?}");
}
