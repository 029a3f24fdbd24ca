//! Nobody knows whether the card was charged: payments-domain §14, example 6 as far as the proof. Nothing else is
//! charged, nothing is undone, and nobody is told that it failed, until the PSP proves what is the case.
use crate::stage::{all, story};
use amends_testkit::{Mode, Status, Story, World};

/// What the PSP turns out to have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truth {
    Charged,
    NotCharged,
}

#[test]
fn without_proof_nothing_is_undone_and_nothing_fails() {
    story(async |world| {
        let cases = [Mode::Saga, Mode::Tcc].map(|mode| [(mode, Truth::Charged), (mode, Truth::NotCharged)]);
        let titled = cases.into_iter().flatten().map(|(mode, truth)| Case { mode, truth });
        all(titled, async |case| doubt(world, case).await).await;
        world.check().await;
    });
}

#[derive(Clone, Copy)]
struct Case {
    mode: Mode,
    truth: Truth,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, in truth {:?}", self.mode, self.truth)
    }
}

async fn doubt(world: &World, case: Case) {
    let shop = world.shop().await;
    let call = if case.mode == Mode::Saga { "sale" } else { "authorize" };
    let behaviour = match case.truth {
        Truth::Charged => "charge_then_timeout",
        Truth::NotCharged => "late_charge(10m)",
    };
    let checkout = shop.checkout(case.mode).psp(call, behaviour).await;
    let checkout = checkout.psp("query", "query_unknown(100000)").await.psp("close", "5xx_before").await;
    let story = checkout.start().await;
    let seen = story.becomes("attention payment_in_doubt", |seen| seen.attention.is_some()).await;
    assert_eq!((seen.status(), seen.undo_cause.as_str()), (Status::Compensating, "deadline"));
    assert_eq!(seen.attention.expect("just seen").cause, "payment_in_doubt");
    still_in_doubt(&story, call).await;
    prove(&story, case).await;
}

/// A while later, everything is as it was: held, not undone, not over, not charged again.
async fn still_in_doubt(story: &Story<'_, '_>, call: &str) {
    let held = story.shop.holdings().await;
    let later = story.wait_ms(1_500).await;
    assert_eq!(later.status(), Status::Compensating, "Wait must not say that it is over");
    assert_eq!(story.shop.holdings().await, held);
    let nothing_held = story.shop.after(0);
    assert_ne!((held.tea, held.tea_reserved), (nothing_held.tea, 0), "the goods stay set aside");
    assert_ne!((held.wallet, held.wallet_held), (nothing_held.wallet, 0), "the wallet part stays set aside");
    let facts = story.facts().await;
    assert!(facts.iter().filter(|fact| fact.op == call).count() <= 1, "{facts:?}");
    assert!(
        facts.iter().all(|fact| fact.op == call || fact.op == "close"),
        "nothing else is asked: {facts:?}"
    );
    let undone = ["ReturnStock", "ReverseTransfer", "ReturnBurn", "ClosePlaced"];
    let cancelled = ["CancelReserve", "CancelTransfer", "CancelBurn", "CancelEarn", "CancelPlace"];
    for method in undone.into_iter().chain(cancelled) {
        assert!(story.calls_of(method).is_empty(), "{method} without proof");
    }
}

async fn prove(story: &Story<'_, '_>, case: Case) {
    story.psp("query", "ok").await;
    story.psp("close", "ok").await;
    let end = story.ends(Status::Failed).await;
    assert!(end.attention.is_none(), "nobody is needed any more: {:?}", end.attention);
    story.shop.holds_after(0).await;
    let facts = story.facts().await;
    let given_back = facts.iter().any(|fact| ["void", "refund"].contains(&fact.op.as_str()));
    assert_eq!(given_back, case.truth == Truth::Charged, "{facts:?}");
    story.dtm_says("failed").await;
}
