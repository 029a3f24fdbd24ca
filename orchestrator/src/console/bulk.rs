//! Acts on all that a filter fits: what it would be about first, then how far it has come. Hands over to the API.

use super::failure::Failure;
use super::form::{self, Question};
use super::frame::{self, Head, Place};
use super::visitor::Visitor;
use super::words::{Form as TimeForm, Tone, chip, count, in_address, moment, reason};
use super::{Desk, api::by, list};
use amends_dtm::Gid;
use amends_proto::amends::v1::{
    BulkAct, GetBulkRequest, GetBulkResponse, PreviewBulkRequest, PreviewBulkResponse, StartBulkRequest,
};
use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use chrono::DateTime;
use maud::{Markup, html};
use serde::Deserialize;
use std::sync::Arc;

/// What can be done to many.
const ACTS: [(&str, BulkAct, &str); 5] = [
    ("retry", BulkAct::Retry, "Retry: the next attempt is made now"),
    ("redrive", BulkAct::Redrive, "Redrive: another run goes on from where each failed"),
    ("pause", BulkAct::Pause, "Pause: no new attempt, deadlines stand still"),
    ("resume", BulkAct::Resume, "Resume: attempts go on"),
    ("cancel", BulkAct::Cancel, "Cancel: no new forward attempt, then undo"),
];

/// What began so long ago is seldom still on its way to or from what a filter asks for.
const SETTLED_US: i64 = 60_000_000;

/// On which.
#[derive(Debug, Deserialize)]
pub struct About {
    #[serde(default)]
    q: String,
}

/// A form that was sent.
#[derive(Debug, Deserialize)]
pub struct Sent {
    token: String,
    name: String,
    filter: String,
    act: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    per_second: i32,
    /// How many were shown, and which: nothing is done to others.
    #[serde(default)]
    expected: i64,
    #[serde(default)]
    digest: String,
    /// Made with the form: what is sent twice is begun once.
    #[serde(default)]
    request_id: String,
}

/// Where the items of an act go on.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    after: String,
}

/// Tells what an act would be about, and asks.
pub async fn ask(
    State(desk): State<Arc<Desk>>,
    Query(about): Query<About>,
    visitor: Visitor,
) -> Result<Response, Failure> {
    let filter = about.q;
    let request = PreviewBulkRequest { filter: filter.clone() };
    let turn = desk.turn().await;
    let preview = desk.api.operations().preview_bulk(request).await?.into_inner();
    drop(turn);
    if preview.count < 1 {
        let main = html! {
            h1 { "Act on all of these" }
            p { "Filter " code { (filter) } " fits no open global transaction: there is nothing to act on. "
                a href=(list::address(&filter, "")) { "Back to the list" } }
        };
        let head = Head { title: "Act in bulk", here: Place::List, live: None };
        return Ok(Html(frame::page(&head, &html! {}, &main).into_string()).into_response());
    }
    let fields = html! {
        input type="hidden" name="filter" value=(filter);
        input type="hidden" name="expected" value=(preview.count);
        input type="hidden" name="digest" value=(preview.digest);
        input type="hidden" name="request_id" value=(Gid::generate());
        fieldset {
            legend { "What is done to each of them" }
            @for (name, _, says) in ACTS {
                label { input type="radio" name="act" value=(name) required; " " (says) }
            }
        }
        label for="per_second" { "At most this many a second" }
        input #per_second name="per_second" type="number" min="1" max="100" value="10" required;
        (form::reason())
    };
    let says = says(&filter, &preview, (desk.clock)());
    let back = list::address(&filter, "");
    let button = format!("Do it to {}", count(preview.count));
    let question = Question {
        title: "Act on all of these",
        here: Place::List,
        says,
        action: "/bulk",
        fields,
        button: &button,
        back: &back,
    };
    form::ask(&desk, &visitor, &question)
}

fn says(filter: &str, preview: &PreviewBulkResponse, now_us: i64) -> Markup {
    html! {
        p { "Filter " code { (filter) } " fits " b { (count(preview.count)) } " open global transactions. If it fits others when \
            you go on, be they as many, nothing is done." }
        @if let Some(settled) = settled(filter, now_us) {
            p { "Where new ones keep coming: " a href={ "/bulk?q=" (in_address(&settled)) } { "only those that began a minute ago or earlier" } "." }
        }
        dl.facts {
            @for stake in &preview.stakes {
                dt { "At stake" } dd { (crate::money(stake.minor_units, &stake.currency)) " in " (count(stake.count)) }
            }
            @if preview.without_amount > 0 {
                dt { "Without an amount" } dd { (count(preview.without_amount)) }
            }
            @if !preview.participants.is_empty() {
                dt { "With a step at" } dd {
                    @for (at, one) in preview.participants.iter().enumerate() {
                        @if at > 0 { ", " } (one.participant) " " b { (count(one.count)) }
                    }
                }
            }
        }
        h2 { "The newest of them" }
        (list::table(&preview.sample, now_us))
    }
}

/// The same filter, for those only that began some time ago; `None` where it bounds the beginning already.
fn settled(filter: &str, now_us: i64) -> Option<String> {
    let until = DateTime::from_timestamp_micros(now_us.saturating_sub(SETTLED_US))?;
    let bounded = filter.contains("started <");
    (!bounded).then(|| format!("({filter}) and started < {}", until.format("%Y-%m-%dT%H:%M:%SZ")))
}

/// Begins it.
pub async fn start(
    State(desk): State<Arc<Desk>>,
    visitor: Visitor,
    Form(sent): Form<Sent>,
) -> Result<Response, Failure> {
    let list = list::address(&sent.filter, "");
    begin(&desk, &visitor, sent).await.map_err(|failure| failure.of_act(&list))
}

async fn begin(desk: &Desk, visitor: &Visitor, sent: Sent) -> Result<Response, Failure> {
    let Sent { token, name, filter, act, reason, per_second, expected: expected_count, digest, request_id } =
        sent;
    form::check(desk, visitor, &token, &name)?;
    form::has_reason(&reason)?;
    if expected_count < 1 || digest.is_empty() || request_id.is_empty() {
        let what = "This form does not say what it was about, so nothing is begun. Open it again.";
        return Err(Failure::plain(StatusCode::CONFLICT, what));
    }
    let act =
        ACTS.into_iter().find(|(known, ..)| *known == act).map_or(BulkAct::Unspecified, |(_, act, _)| act);
    let request = StartBulkRequest {
        filter,
        act: act.into(),
        reason,
        per_second,
        expected_count,
        expected_digest: digest,
        request_id,
    };
    let started = desk.api.operations().start_bulk(by(&name, request)?).await?.into_inner();
    Ok(form::done(&format!("/bulk/{}", started.bulk_id), &name))
}

/// How far an act has come.
pub async fn page(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Failure> {
    let request = GetBulkRequest { bulk_id: id.clone(), page_size: 0, page_token: asked.after.clone() };
    let bulk = desk.api.operations().get_bulk(request).await?.into_inner();
    let own = match asked.after.as_str() {
        "" => format!("/bulk/{}", in_address(&id)),
        after => format!("/bulk/{}?after={}", in_address(&id), in_address(after)),
    };
    let head = Head { title: "Act in bulk", here: Place::List, live: Some(&own) };
    Ok(Html(frame::page(&head, &html! {}, &progress(&bulk)).into_string()))
}

fn progress(bulk: &GetBulkResponse) -> Markup {
    let all = bulk.pending + bulk.done + bulk.refused;
    let act =
        ACTS.into_iter().find(|(_, act, _)| *act == bulk.act()).map_or("unknown act", |(_, _, says)| says);
    html! {
        h1 { (act) }
        p { "By " b { (bulk.subject) } " at " (moment(bulk.created_at.as_ref(), TimeForm::Full)) ": " (bulk.reason)
            ". Filter " code { (bulk.filter) } "." }
        progress max=(all.max(1)) value=(bulk.done + bulk.refused) aria-label="Done so far" {}
        p { (chip(Tone::Good, &format!("{} done", count(bulk.done)))) " "
            (chip(if bulk.refused > 0 { Tone::Bad } else { Tone::Quiet }, &format!("{} refused", count(bulk.refused)))) " "
            (chip(if bulk.pending > 0 { Tone::Busy } else { Tone::Quiet }, &format!("{} to come", count(bulk.pending)))) }
        div.scroll tabindex="0" { table.stack {
            thead { tr { th { "Gid" } th { "State" } th { "What was said" } th { "When" } } }
            tbody {
                @for item in &bulk.items {
                    tr {
                        td data-label="Gid" { a id={ "r-" (item.gid) } href={ "/t/" (item.gid) } { code { (item.gid) } } }
                        td data-label="State" { (item_state(&item.state)) }
                        td.long data-label="What was said" { (reason(&item.message)) }
                        td data-label="When" { (moment(item.done_at.as_ref(), TimeForm::Clock)) }
                    }
                }
            }
        } }
        @if !bulk.next_page_token.is_empty() {
            nav.paging { a.button href={ "/bulk/" (bulk.bulk_id) "?after=" (in_address(&bulk.next_page_token)) } { "More" } }
        }
    }
}

fn item_state(state: &str) -> Markup {
    let tone = match state {
        "done" => Tone::Good,
        "refused" => Tone::Bad,
        _ => Tone::Busy,
    };
    chip(tone, state)
}
