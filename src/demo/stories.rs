//! The stories of the demo: what is told, what is done, and what must come of it. Knows no figures.
use super::shop::{Shop, order};
use crate::connect::Connection;
use crate::output::status_name;
use crate::show;
use crate::start::{checkout_request, wait};
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{CancelRequest, GetRequest, Mode, OpState, Status};
use amends_proto::pay::psp::v1::ScriptRequest;
use amends_stack::Coordinator;
use anyhow::Context as _;
use std::time::Duration;
use tokio::time::Instant;

/// The longest that any story may take.
const STORY_LIMIT: Duration = Duration::from_secs(60);
/// How long DTM may take to write down an end that it has already caused.
const COORDINATOR_LIMIT: Duration = Duration::from_secs(10);
/// Pause between two looks at something that nobody announces.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// One story.
pub struct Story {
    /// Its heading.
    pub title: &'static str,
    /// What is about to happen.
    pub text: &'static str,
    /// Who buys.
    pub user: &'static str,
    mode: Mode,
    card_token: &'static str,
    act: Act,
    end: Status,
    /// What DTM's own store must say in the end, where DTM is the coordinator.
    coordinator_end: &'static str,
    /// What the reason must contain.
    reason: &'static str,
}

/// What happens while the checkout runs.
enum Act {
    Nothing,
    /// The PSP is slow to authorise, and somebody cancels meanwhile.
    CancelDuringAuthorize,
}

/// All of them, in order.
pub const STORIES: [Story; 5] = [
    Story {
        title: "a checkout as SAGA succeeds",
        text: "Alice buys two packets of tea and a pot: part wallet, part points, part card. Seven steps, each applied\n\
               at once; the card is the point of no return.",
        user: "alice",
        mode: Mode::Saga,
        card_token: "tok_ok",
        act: Act::Nothing,
        end: Status::Succeeded,
        coordinator_end: "succeed",
        reason: "",
    },
    Story {
        title: "a checkout as SAGA is refused and undone",
        text: "Bob's card is declined at step five. Order, stock, points and wallet have been changed by then; each\n\
               is put right, in reverse order.",
        user: "bob",
        mode: Mode::Saga,
        card_token: "tok_decline",
        act: Act::Nothing,
        end: Status::Failed,
        coordinator_end: "failed",
        reason: "PSP_DECLINED",
    },
    Story {
        title: "a checkout as TCC succeeds",
        text: "The same order, tried first: everything is held, then all of it is confirmed, the card first.",
        user: "alice",
        mode: Mode::Tcc,
        card_token: "tok_ok",
        act: Act::Nothing,
        end: Status::Succeeded,
        coordinator_end: "succeed",
        reason: "",
    },
    Story {
        title: "a checkout as TCC is cancelled while it runs",
        text: "The PSP takes a second to authorise Bob's card. Meanwhile he changes his mind: Cancel. What was held is\n\
               released, and the authorisation that still comes through is voided.",
        user: "bob",
        mode: Mode::Tcc,
        card_token: "tok_ok",
        act: Act::CancelDuringAuthorize,
        end: Status::Cancelled,
        coordinator_end: "failed",
        reason: "changed my mind",
    },
    Story {
        title: "the PSP charges the card and never answers",
        text: "Alice's charge times out. Nobody may charge again, nobody may undo without proof: the gateway asks the PSP\n\
               what became of the request, learns that it was paid, and the checkout goes on.",
        user: "alice",
        mode: Mode::Saga,
        card_token: "tok_charge_then_timeout",
        act: Act::Nothing,
        end: Status::Succeeded,
        coordinator_end: "succeed",
        reason: "",
    },
];

impl Story {
    /// Whether it ends with a paid order.
    pub fn is_paid(&self) -> bool {
        self.end == Status::Succeeded
    }
}

/// How a story went.
pub struct Told {
    /// Its heading.
    pub title: &'static str,
    /// Everything that is known of its global transaction.
    pub told: show::Told,
    /// What was not as told.
    pub wrong: Vec<String>,
}

/// Plays one story to its end.
pub async fn play(story: &Story, index: usize, shop: &Shop, connection: Connection) -> anyhow::Result<Told> {
    let mut client = TransactionsClient::new(connection.clone());
    let order_id = uuid::Uuid::now_v7().to_string();
    let out_trade_no = format!("story-{}", index + 1);
    match story.act {
        Act::Nothing => {}
        Act::CancelDuringAuthorize => slow_down_authorize(shop, &order_id).await?,
    }
    let input = order(&order_id, &out_trade_no, story.user, story.card_token);
    let request = checkout_request(out_trade_no, String::new(), story.mode, &input);
    let gid = client.start(request).await.context("start")?.into_inner().gid;
    match story.act {
        Act::Nothing => {}
        Act::CancelDuringAuthorize => cancel_during_authorize(&mut client, &gid).await?,
    }
    wait(&mut client, &gid, STORY_LIMIT).await?;
    let told = coordinator_end(story, connection, &gid).await?;
    let wrong = differences(story, &told);
    Ok(Told { title: story.title, told, wrong })
}

async fn slow_down_authorize(shop: &Shop, order_id: &str) -> anyhow::Result<()> {
    let script = ScriptRequest {
        order_id: order_id.to_owned(),
        op: "authorize".to_owned(),
        behaviour: "slow(1s)".to_owned(),
        ..ScriptRequest::default()
    };
    shop.psp.clone().script(script).await.context("script the PSP")?;
    Ok(())
}

async fn cancel_during_authorize(
    client: &mut TransactionsClient<Connection>,
    gid: &str,
) -> anyhow::Result<()> {
    let end = Instant::now() + STORY_LIMIT;
    while !authorize_runs(client, gid).await? {
        anyhow::ensure!(Instant::now() < end, "the authorisation of {gid} did not begin");
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    let request = CancelRequest { gid: gid.to_owned(), reason: "changed my mind".to_owned() };
    client.cancel(request).await.context("cancel")?;
    Ok(())
}

async fn authorize_runs(client: &mut TransactionsClient<Connection>, gid: &str) -> anyhow::Result<bool> {
    let transaction = client.get(GetRequest { gid: gid.to_owned() }).await.context("get")?.into_inner();
    let gateway = transaction.steps.iter().filter(|step| step.participant == "gateway");
    let mut ops = gateway.flat_map(|step| &step.ops);
    Ok(ops.any(|op| op.op == "try" && op.state() == OpState::Running))
}

/// Everything that is known once DTM, too, has written down the end.
async fn coordinator_end(story: &Story, connection: Connection, gid: &str) -> anyhow::Result<show::Told> {
    let end = Instant::now() + COORDINATOR_LIMIT;
    loop {
        let told = show::Told::fetch(connection.clone(), gid).await?;
        if !runs_on_dtm(&told) || dtm_status(&told) == story.coordinator_end || Instant::now() >= end {
            return Ok(told);
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

fn runs_on_dtm(told: &show::Told) -> bool {
    told.transaction.coordinator == Coordinator::Dtm.as_str()
}

fn dtm_status(told: &show::Told) -> &str {
    told.coordinator.as_ref().map_or("nothing", |view| view.status.as_str())
}

fn differences(story: &Story, told: &show::Told) -> Vec<String> {
    let mut wrong = Vec::new();
    let transaction = &told.transaction;
    if transaction.status() != story.end {
        let (is, told) = (status_name(transaction.status()), status_name(story.end));
        wrong.push(format!("{}: it is {is}, told was {told}", story.title));
    }
    let says = dtm_status(told);
    if runs_on_dtm(told) && says != story.coordinator_end {
        wrong.push(format!("{}: DTM says {says}, told was {}", story.title, story.coordinator_end));
    }
    if !transaction.reason.contains(story.reason) {
        wrong.push(format!("{}: the reason is \"{}\"", story.title, transaction.reason));
    }
    wrong
}
