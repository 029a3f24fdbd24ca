//! Payments of which nobody can prove whether money was kept: how old, how much, what the provider said, when it is asked
//! again, who is at it; and what two people state about one. The gateway's own queue, asked of the gateway itself: the
//! one page that speaks to a participant. Decides nothing; whatever the gateway refuses is told in its words.

use super::Desk;
use super::failure::Failure;
use super::form::{self, Question};
use super::frame::{self, Head, Place};
use super::resolution;
use super::visitor::Visitor;
use super::words::{Form as TimeForm, Tone, ago, chip, count, in_address, micros, moment, of, spaced};
use crate::money;
use amends_proto::pay::gateway::v1::gateway_service_client::GatewayServiceClient;
use amends_proto::pay::gateway::v1::{GetInDoubtRequest, InDoubtAct, InDoubtItem, ListRequest};
use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, Response};
use maud::{Markup, html};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

/// Name of the participant that is asked.
pub const GATEWAY: &str = "gateway";
/// Whoever has not answered by then is away: a page waits no longer.
const PATIENCE: Duration = Duration::from_millis(700);
/// Items of one call, and such calls: further back nobody looks, as what is old is resolved.
const AT_ONCE: i32 = 1_000;
const CALLS: usize = 5;
/// Lines of the page.
const SHOWN: usize = 200;
/// The state of what nobody has to look at any more.
const RESOLVED: &str = "resolved";

/// The gateway, as pages ask it.
#[derive(Debug, Clone)]
pub struct Gateway(GatewayServiceClient<Channel>);

impl Gateway {
    /// At this address; nobody is connected to before somebody asks. `None` = that is no address.
    #[must_use]
    pub fn at(address: &str) -> Option<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).ok()?;
        let endpoint = endpoint.connect_timeout(PATIENCE).timeout(PATIENCE).tcp_nodelay(true);
        Some(Self(GatewayServiceClient::new(endpoint.connect_lazy())))
    }

    /// What calls are made with.
    #[must_use]
    pub fn client(&self) -> GatewayServiceClient<Channel> {
        self.0.clone()
    }
}

/// What is open, oldest first, and whether more may be behind it.
struct Queue {
    open: Vec<InDoubtItem>,
    whole: bool,
}

/// Of which.
#[derive(Debug, Default, Deserialize)]
pub struct About {
    /// Only this global transaction; empty = all.
    #[serde(default)]
    gid: String,
}

/// The page.
pub async fn page(State(desk): State<Arc<Desk>>, Query(about): Query<About>) -> Html<String> {
    let now_us = (desk.clock)();
    let found = match &desk.gateway {
        Some(gateway) => Some(tokio::time::timeout(PATIENCE, queue(gateway, &about.gid)).await),
        None => None,
    };
    let main = html! {
        h1 { "Payments in doubt" }
        @if !about.gid.is_empty() { p { "Of " a href={ "/t/" (in_address(&about.gid)) } { code { (about.gid) } } ". " a href="/in-doubt" { "All of them" } } }
        p.quiet { "Nobody can prove whether money was kept. The gateway goes on asking the provider; a person may state what is the case." }
        @match found {
            None => p { "No participant of this orchestrator is called " code { (GATEWAY) } ": there is no such queue." },
            Some(Ok(Ok(queue))) => (whole(&queue, now_us)),
            Some(Ok(Err(status))) if status.code() == Code::Unimplemented =>
                p { "The participant " code { (GATEWAY) } " keeps no such queue." },
            Some(Ok(Err(status))) => p { (chip(Tone::Bad, "the gateway does not answer")) " " (status.message()) },
            Some(Err(_)) => p { (chip(Tone::Bad, "the gateway does not answer")) " in time." },
        }
    };
    let own = match about.gid.as_str() {
        "" => "/in-doubt".to_owned(),
        gid => format!("/in-doubt?gid={}", in_address(gid)),
    };
    let head = Head { title: "Payments in doubt", here: Place::InDoubt, live: Some(&own) };
    Html(frame::page(&head, &html! {}, &main).into_string())
}

/// Those of one global transaction, or of all.
async fn queue(gateway: &Gateway, gid: &str) -> Result<Queue, Status> {
    let wanted = |item: &InDoubtItem| item.state != RESOLVED && (gid.is_empty() || item.gid == gid);
    let (mut client, mut open, mut cursor) = (gateway.client(), Vec::new(), String::new());
    for _ in 0..CALLS {
        let page = client.list_in_doubt(ListRequest { cursor, limit: AT_ONCE }).await?.into_inner();
        open.extend(page.items.into_iter().filter(wanted));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    open.sort_by_key(|item| micros(item.opened_at.as_ref()));
    Ok(Queue { open, whole: cursor.is_empty() })
}

fn whole(queue: &Queue, now_us: i64) -> Markup {
    html! {
        @if queue.open.is_empty() {
            p { (chip(Tone::Good, "No payment is in doubt.")) }
        } @else {
            (figures(queue, now_us))
            div.scroll tabindex="0" { table.stack {
                thead { tr { th { "In doubt for" } th.number { "Amount" } th { "What" } th { "Provider" }
                    th.number { "Requests" } th { "Asked again" } th { "Who is at it" } th { "Global transaction" } } }
                tbody { @for item in queue.open.iter().take(SHOWN) { (line(item, now_us)) } }
            } }
            @if queue.open.len() > SHOWN { p { "The oldest " (SHOWN) " are shown. All: " code { "amends in-doubt list" } "." } }
        }
        @if !queue.whole { p.quiet { "There are more in the gateway's book than were looked at." } }
    }
}

/// How many there are, since when, and of how much.
fn figures(queue: &Queue, now_us: i64) -> Markup {
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    for amount in queue.open.iter().filter_map(|item| item.amount.as_ref()) {
        let sum = sums.entry(&amount.currency).or_default();
        *sum = sum.saturating_add(amount.minor_units);
    }
    let oldest = queue.open.first().map(|item| ago(item.opened_at.as_ref(), now_us));
    let tile = |name: &str, value: &str| html! { div.tile { span.name { (name) } b { (value) } } };
    html! {
        div.tiles {
            (tile("Open", &count(i64::try_from(queue.open.len()).unwrap_or(i64::MAX))))
            (tile("Oldest", &oldest.unwrap_or_default()))
            @for (currency, minor) in sums { (tile("At stake", &money(minor, currency))) }
        }
    }
}

fn line(item: &InDoubtItem, now_us: i64) -> Markup {
    html! {
        tr {
            td data-label="In doubt for" {
                a id={ "r-" (item.item_id) } href={ "/in-doubt/" (item.item_id) } { (ago(item.opened_at.as_ref(), now_us)) }
                " " span.quiet { (moment(item.opened_at.as_ref(), TimeForm::Full)) }
            }
            td.number data-label="Amount" { (amount(item)) }
            td data-label="What" { (chip(Tone::Bad, &spaced(&item.kind))) }
            td data-label="Provider" { (provider(item)) }
            td.number data-label="Requests" { (item.attempts) }
            td data-label="Asked again" { (next(item, now_us)) }
            td data-label="Who is at it" { (holder(item)) }
            td data-label="Transaction" { a href={ "/t/" (item.gid) } { code { (item.gid) } } }
        }
    }
}

fn amount(item: &InDoubtItem) -> String {
    item.amount.as_ref().map(|amount| money(amount.minor_units, &amount.currency)).unwrap_or_default()
}

fn provider(item: &InDoubtItem) -> Markup {
    html! {
        (item.psp)
        @if item.psp_code.is_empty() { " " span.quiet { "said nothing that could be read" } }
        @else { " said " code { (item.psp_code) } }
    }
}

fn next(item: &InDoubtItem, now_us: i64) -> Markup {
    let left_us = micros(item.next_query_at.as_ref()).saturating_sub(now_us);
    html! {
        @if item.next_query_at.is_none() { span.quiet { "not any more" } }
        @else if left_us <= 0 { "now" }
        @else { (moment(item.next_query_at.as_ref(), TimeForm::Clock)) }
        @if item.queries > 0 { " " span.quiet { "after " (of(item.queries.into(), "query", "queries")) } }
    }
}

fn holder(item: &InDoubtItem) -> Markup {
    html! {
        @if item.state == "proposed" { (chip(Tone::Warn, "waits for approval")) " proposed by " (item.proposed_by) }
        @else if item.holder.is_empty() { span.quiet { "nobody" } }
        @else { (item.holder) " until " (moment(item.held_until.as_ref(), TimeForm::Clock)) }
    }
}

/// One of them, with everything that was done about it.
pub async fn one(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Result<Html<String>, Failure> {
    let item = found(&desk, &id).await?;
    let now_us = (desk.clock)();
    let own = format!("/in-doubt/{}", in_address(&id));
    let head = Head { title: "Payment in doubt", here: Place::InDoubt, live: Some(&own) };
    let main = html! {
        h1 { (amount(&item)) " " (standing(&item)) }
        (facts(&item, now_us))
        @if item.state != RESOLVED {
            nav.acts aria-label="What can be done" {
                a.button href={ (own) "/propose" } { "State what is the case" }
                @if item.state == "proposed" { a.button href={ (own) "/approve" } { "Approve what was proposed" } }
            }
        }
        h2 { "What was done about it" }
        @if item.acts.is_empty() { p.quiet { "Nothing yet." } }
        ol.timeline { @for act in &item.acts { (done(act)) } }
        p { a href="/in-doubt" { "All payments in doubt" } }
    };
    Ok(Html(frame::page(&head, &html! {}, &main).into_string()))
}

fn standing(item: &InDoubtItem) -> Markup {
    chip(if item.state == RESOLVED { Tone::Good } else { Tone::Bad }, &spaced(&item.state))
}

/// One item, or why there is none.
async fn found(desk: &Desk, id: &str) -> Result<InDoubtItem, Failure> {
    let request = GetInDoubtRequest { item_id: id.to_owned() };
    Ok(client(desk)?.get_in_doubt(request).await?.into_inner())
}

fn client(desk: &Desk) -> Result<GatewayServiceClient<Channel>, Failure> {
    let none = || {
        Failure::plain(StatusCode::NOT_FOUND, "No participant of this orchestrator keeps payments in doubt.")
    };
    desk.gateway.as_ref().map(Gateway::client).ok_or_else(none)
}

fn facts(item: &InDoubtItem, now_us: i64) -> Markup {
    html! {
        dl.facts.across {
            dt { "What" } dd { (spaced(&item.kind)) }
            dt { "In doubt for" } dd { (ago(item.opened_at.as_ref(), now_us)) ", since " (moment(item.opened_at.as_ref(), TimeForm::Full)) }
            dt { "Payment" } dd { code { (item.payment_id) } }
            dt { "Global transaction" } dd { a href={ "/t/" (item.gid) } { code { (item.gid) } } }
            dt { "Provider" } dd { (provider(item)) ", " (of(item.attempts.into(), "request", "requests")) }
            dt { "Asked again" } dd { (next(item, now_us)) }
            dt { "Who is at it" } dd { (holder(item)) }
            @if !item.evidence.is_empty() {
                dt { "Stated" } dd { b { (resolution::said(item.proposed())) } " by " (item.proposed_by) ": " (item.evidence)
                    @if !item.reference.is_empty() { " (" (item.reference) ")" }
                    @if !item.psp_txn_id.is_empty() { ", provider's id " code { (item.psp_txn_id) } } }
            }
            @if !item.resolution.is_empty() {
                dt { "Resolved" } dd { (spaced(&item.resolution)) " " (moment(item.resolved_at.as_ref(), TimeForm::Full))
                    @if !item.approved_by.is_empty() { " approved by " (item.approved_by) } }
            }
        }
    }
}

fn done(act: &InDoubtAct) -> Markup {
    html! {
        li {
            span.when { (moment(act.at.as_ref(), TimeForm::Fine)) }
            span.what { b { (act.actor) } " " (spaced(&act.act)) " " span.long { (act.detail) } }
        }
    }
}

/// Asks before something is stated or approved.
pub async fn ask(
    State(desk): State<Arc<Desk>>,
    Path((id, act)): Path<(String, String)>,
    visitor: Visitor,
) -> Result<Response, Failure> {
    let act = resolution::Act::named(&act)?;
    let item = found(&desk, &id).await?;
    let (action, back) =
        (format!("/in-doubt/{}/{}", in_address(&id), act.name()), format!("/in-doubt/{}", in_address(&id)));
    let says = html! { p { b { (amount(&item)) } " " (standing(&item)) } p { (act.says()) } (facts(&item, (desk.clock)())) };
    let question = Question {
        title: act.title(),
        here: Place::InDoubt,
        says,
        action: &action,
        fields: act.fields(&item),
        button: act.button(),
        back: &back,
    };
    form::ask(&desk, &visitor, &question)
}

/// Does it, in the name of whoever sent the form.
pub async fn carry_out(
    State(desk): State<Arc<Desk>>,
    Path((id, act)): Path<(String, String)>,
    visitor: Visitor,
    Form(sent): Form<resolution::Sent>,
) -> Result<Response, Failure> {
    form::check(&desk, &visitor, &sent.token, &sent.name)?;
    let act = resolution::Act::named(&act)?;
    let own = format!("/in-doubt/{}", in_address(&id));
    let done = act.carry_out(client(&desk)?, &id, &sent).await;
    done.map_err(|failure| failure.of_act(&own))?;
    Ok(form::done(&own, &sent.name))
}
