//! The same call a hundred times at the same moment: payments-domain §14, example 11.
use crate::stage::{all, story};
use amends_proto::amends::v1::GlobalTransaction;
use amends_testkit::{Fault, Mode, On, Repeat, Status, Story, World};
use tonic::Code;

const TIMES: usize = 100;

#[test]
fn a_hundred_calls_at_once_have_one_effect() {
    story(async |world| {
        all(["saga", "tcc"], async |mode| {
            let mode = if mode == "saga" { Mode::Saga } else { Mode::Tcc };
            play(world, mode, "tok_ok", Status::Succeeded, 1).await;
            play(world, mode, "tok_decline", Status::Failed, 0).await;
        })
        .await;
        world.check().await;
    });
}

async fn play(world: &World, mode: Mode, card: &str, end: Status, paid: i64) {
    let shop = world.shop().await;
    let checkout = shop.checkout(mode).card(card);
    for method in methods(world, mode).await {
        world.script().set(On::each(&method, checkout.order_id()), Fault::Repeat(Repeat::AtOnce(TIMES)));
    }
    let story = checkout.start().await;
    story.ends(end).await;
    shop.holds_after(paid).await;
    one_answer(&story);
    story.dtm_says(if paid == 1 { "succeed" } else { "failed" }).await;
}

/// Whoever was not told to ask again was told the same.
fn one_answer(story: &Story<'_, '_>) {
    for entry in story.journal() {
        assert_eq!(entry.replies.len(), TIMES, "{}", entry.call.method);
        let told = entry.replies.iter().filter(|reply| reply.code != Code::FailedPrecondition);
        for reply in told {
            assert_eq!(reply, &entry.told, "{} was answered in two ways", entry.call.method);
        }
    }
}

/// All methods that a plan of this mode may call.
async fn methods(world: &World, mode: Mode) -> Vec<String> {
    let shop = world.shop().await;
    let plan: GlobalTransaction = shop.checkout(mode).start().await.ends(Status::Succeeded).await;
    let names = plan.steps.into_iter().flat_map(|step| [step.forward, step.confirm, step.undo]);
    let bare = names.filter_map(|name| Some(name.rsplit_once('/')?.1.to_owned()));
    bare.collect()
}
