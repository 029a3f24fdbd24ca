//! One global transaction: where it stands and why, its plan as a picture, what happened when, what its steps carry, and
//! what can be done. What others say of it is fetched beside it (`books.rs`): they may be away.

use super::api::Api;
use super::failure::Failure;
use super::frame::{self, Head, Place};
use super::visitor::{self, Visitor};
use super::words::{self, Form, Tone, ago, at, chip, moment, reason, sentence, spaced, stretch};
use super::{Desk, TraceUrl, act, bars, books, picture, remedy, timeline};
use amends_proto::amends::v1::{
    Attention, Event, ExplainRequest, ExplainResponse, ExplainedOp, GetHistoryRequest, GetRequest,
    GlobalTransaction, Payload, PayloadsRequest,
};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse as _, Response};
use maud::{Markup, html};
use std::sync::Arc;
use std::time::Duration;

/// Events of one page; more are in the download.
const EVENTS: i32 = 300;
/// Why it waits is told with the coordinator's word, which may be away: then the page goes without.
const COORDINATOR_PATIENCE: Duration = Duration::from_millis(700);

/// Everything that is known of it.
struct Known {
    transaction: GlobalTransaction,
    events: Vec<Event>,
    more: bool,
    why: Option<ExplainResponse>,
    payloads: Vec<Payload>,
}

/// The page.
pub async fn page(
    State(desk): State<Arc<Desk>>,
    Path(gid): Path<String>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let known = read(&desk.api, &gid).await?;
    let transaction = &known.transaction;
    let own = format!("/t/{gid}");
    let title = format!("{} {}", transaction.definition, transaction.business_key);
    let above = html! { @if let Some(text) = act::done(&visitor.done) { p.notice.good role="status" { (chip(Tone::Good, text)) } } };
    // What has ended and needs nobody stays as it is.
    let over = !words::is_open(transaction) && transaction.all_attention.is_empty();
    let live = Some(if over { "" } else { own.as_str() });
    let head = Head { title: &title, here: Place::List, live };
    let now_us = (desk.clock)();
    let books = books::place(&gid, words::is_open(transaction));
    let page = frame::page_with(&head, &above, &whole(&known, desk.trace_url.as_ref(), now_us), &books);
    let mut response = Html(page.into_string()).into_response();
    // A page that renews its main part does not show what stands above it.
    let told = !visitor.done.is_empty() && !headers.contains_key("hx-request");
    if let Some(cookie) = told.then(|| visitor::was_told(&own)).flatten() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn read(api: &Api, gid: &str) -> Result<Known, Failure> {
    let gid = gid.to_owned();
    let (mut one, mut two, mut three, mut four) =
        (api.transactions(), api.transactions(), api.operations(), api.operations());
    let first = GetHistoryRequest { gid: gid.clone(), from_seq: 0, page_size: EVENTS };
    let (transaction, history, why, payloads) = tokio::join!(
        one.get(GetRequest { gid: gid.clone() }),
        two.get_history(first),
        tokio::time::timeout(COORDINATOR_PATIENCE, three.explain(ExplainRequest { gid: gid.clone() })),
        four.payloads(PayloadsRequest { gid: gid.clone() }),
    );
    let (transaction, history) = (transaction?.into_inner(), history?.into_inner());
    Ok(Known {
        transaction,
        more: history.next_seq != 0,
        events: history.events,
        why: why.ok().and_then(Result::ok).map(tonic::Response::into_inner),
        payloads: payloads?.into_inner().payloads,
    })
}

fn whole(known: &Known, traces: Option<&TraceUrl>, now_us: i64) -> Markup {
    let transaction = &known.transaction;
    html! {
        (head(transaction, traces, now_us))
        (act::offers(transaction))
        @for need in &transaction.all_attention { (attention(transaction, need, now_us)) }
        @if let Some(why) = known.why.as_ref().filter(|_| words::is_open(transaction)) { (waiting(why, now_us)) }
        div.columns.wide {
            section aria-labelledby="h-plan" { h2 #h-plan { "Plan" } (picture::draw(transaction)) }
            section aria-labelledby="h-time" {
                h2 #h-time { "Timeline" }
                (bars::draw(&known.events))
                (timeline::show(transaction, &known.events))
                @if known.more { p { "The first " (known.events.len()) " events. All of them are in the download." } }
                p { a.button href={ "/t/" (transaction.gid) "/history.json" } download { "History as JSON" } }
            }
        }
        section aria-labelledby="h-carry" { h2 #h-carry { "Payloads" } (payloads(&known.payloads)) }
    }
}

fn head(transaction: &GlobalTransaction, traces: Option<&TraceUrl>, now_us: i64) -> Markup {
    let GlobalTransaction { gid, definition, definition_version, caller, request_id, coordinator, .. } =
        transaction;
    let took = match transaction.finished_at.as_ref() {
        Some(end) => stretch(words::micros(Some(end)) - words::micros(transaction.created_at.as_ref())),
        None => format!("open for {}", ago(transaction.created_at.as_ref(), now_us)),
    };
    html! {
        h1 { (transaction.business_key) " " (words::status(transaction.status()))
            @if transaction.paused { " " (chip(Tone::Warn, "paused")) } }
        @if !transaction.reason.is_empty() {
            p.reason { b { (spaced(&transaction.undo_cause)) } " " (reason(&transaction.reason)) }
        }
        dl.facts.across {
            dt { "Gid" } dd { code { (gid) } }
            dt { "Definition" } dd { (definition) " v" (definition_version) ", " (words::mode_name(transaction.mode())) }
            dt { "Started" } dd { (moment(transaction.created_at.as_ref(), Form::Full)) " by " (caller) }
            dt { "Took" } dd { (took) }
            @if transaction.finished_at.is_some() {
                dt { "Ended" } dd { (moment(transaction.finished_at.as_ref(), Form::Full)) }
            }
            dt { "Coordinator" } dd { (coordinator) }
            dt { "Request" } dd { code { (request_id) } }
            @if !transaction.trace_id.is_empty() {
                dt { "Trace" } dd {
                    @match traces {
                        Some(traces) => a href=(traces.of(&transaction.trace_id)) { code { (transaction.trace_id) } },
                        None => code { (transaction.trace_id) },
                    }
                }
            }
            @if let Some(run) = transaction.run.as_ref().filter(|run| run.continues > 0) {
                dt { "Run" } dd { (run.number) ", goes on from " (run.from.join(", "))
                    @if !run.reason.is_empty() { ": " (run.reason) } }
            }
            @if let Some(proposal) = &transaction.proposal {
                dt { "Proposed" } dd { (proposal.branch_id) " " (proposal.op) " " (proposal.outcome)
                    @if let Some(act) = &proposal.act { " by " (act.subject) ": " (act.evidence) }
                    " – it counts when a second person states the same." }
            }
        }
    }
}

fn attention(transaction: &GlobalTransaction, need: &Attention, now_us: i64) -> Markup {
    html! {
        div.notice.bad {
            p { (chip(Tone::Bad, "needs a person")) " " b { (spaced(&need.cause)) }
                @if !need.branch_id.is_empty() { " at " (need.branch_id) " " (need.op) }
                " for " (ago(need.since.as_ref(), now_us)) ": " (reason(&need.text)) }
            @if need.acknowledged_by.is_empty() {
                p { "Nobody has said that they look after it." }
            } @else {
                p { (need.owner) " looks after it, says " (need.acknowledged_by)
                    @if !need.note.is_empty() { ": " (need.note) } }
            }
            (remedy::about(&transaction.gid, &need.cause, &remedy::at(&need.branch_id, &need.op)))
            @if !need.next_action.is_empty() {
                p { "By itself: " (need.next_action) (at(need.next_action_at.as_ref())) }
            }
        }
    }
}

fn waiting(why: &ExplainResponse, now_us: i64) -> Markup {
    html! {
        section.why aria-labelledby="h-why" {
            h2 #h-why { "Why is it waiting?" }
            p.summary { (sentence(&why.summary)) }
            @for op in &why.ops { (waiting_op(op, &why.summary, now_us)) }
            @if !why.unblocked_by.is_empty() {
                p { "What would bring it on:" }
                ul { @for what in &why.unblocked_by { li { (sentence(what)) } } }
            }
        }
    }
}

/// Of one op what the summary above has not said.
fn waiting_op(op: &ExplainedOp, summary: &str, now_us: i64) -> Markup {
    let most = if op.max_attempts == 0 { String::new() } else { format!(" of {}", op.max_attempts) };
    let news = !summary.contains(&op.why);
    html! {
        p { b { (op.branch_id) " " (op.participant) "." (words::method(&op.method)) " " (op.op) } ":"
            @if news { " " (sentence(&op.why)) }
            @if op.attempt > 0 { " Attempt " (op.attempt) (most) ", tried for " (ago(op.since.as_ref(), now_us)) "." }
            @if news && !op.last_code.is_empty() { " Last answer " code { (op.last_code) } " " (reason(&op.last_reason)) "." }
            @if op.next_at.is_some() { " Again at " (moment(op.next_at.as_ref(), Form::Clock)) ": " (op.rule) "." } }
    }
}

fn payloads(payloads: &[Payload]) -> Markup {
    html! {
        @for payload in payloads {
            details id={ "p-" (payload.branch_id) } {
                summary { (payload.branch_id) " " (payload.participant) "." (words::method(&payload.method)) " "
                    span.quiet { (payload.size) " bytes" } }
                p.quiet { (payload.r#type) " · SHA-256 " code { (payload.sha256) } }
                @match indented(&payload.json) {
                    Some(json) => pre.said tabindex="0" { (json) },
                    None => p { "Its type is not known here: only its size and hash are shown." },
                }
            }
        }
        p.quiet { "Sensitive fields are masked before they leave the orchestrator." }
    }
}

fn indented(json: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    serde_json::to_string_pretty(&value).ok()
}
