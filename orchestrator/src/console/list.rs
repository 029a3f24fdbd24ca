//! Global transactions by a filter, page by page, and finding one by what people know of it.

use super::Desk;
use super::failure::{self, Failure, in_words};
use super::frame::{self, Head, Place};
use super::words::{self, Form, Tone, ago, chip, count, in_address, moment, stretch};
use amends_proto::amends::v1::{GetRequest, GlobalTransaction, ListRequest, StatsResponse, Status};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Rows of one page.
const ROWS: usize = 50;
/// A page of the API may be short: others are asked for until it is full, or so much time is over.
const LOOKING: Duration = Duration::from_millis(100);

/// What a list is asked for.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    /// The filter.
    #[serde(default)]
    q: String,
    /// Where the page goes on.
    #[serde(default)]
    after: String,
}

/// What somebody looks for.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    what: String,
}

#[derive(Default)]
struct Found {
    rows: Vec<GlobalTransaction>,
    next: String,
}

/// The page. A filter that cannot be read is shown with what is wrong, ready to be mended.
pub async fn page(State(desk): State<Arc<Desk>>, Query(asked): Query<Asked>) -> Result<Response, Failure> {
    let sight = desk.lookout.glance();
    let stats = sight.as_ref().and_then(|sight| sight.stats.as_ref());
    let (found, wrong) = match search(&desk, &asked.q, &asked.after).await {
        Ok(found) => (found, None),
        Err(status) if status.code() == tonic::Code::InvalidArgument => {
            (Found::default(), Some(in_words(&status).1))
        }
        Err(status) => return Err(status.into()),
    };
    let own = address(&asked.q, &asked.after);
    let above = html! { h1 { "Transactions" } (field(&asked.q, wrong.as_deref())) };
    let main = html! {
        (tabs(&asked.q, stats))
        @if wrong.is_none() { (table(&found.rows, (desk.clock)())) (rest(&asked, &found)) }
    };
    let live = wrong.is_none().then_some(own.as_str());
    let head = Head { title: "Transactions", here: Place::List, live };
    let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok((status, Html(frame::page(&head, &above, &main).into_string())).into_response())
}

/// Leads to the one global transaction that is meant, or to the list of those that may be.
pub async fn find(State(desk): State<Arc<Desk>>, Query(wanted): Query<Wanted>) -> Result<Redirect, Failure> {
    let what = wanted.what.trim();
    if what.is_empty() {
        return Ok(Redirect::to("/list"));
    }
    let known = desk.api.transactions().get(GetRequest { gid: what.to_owned() }).await;
    if known.is_ok() {
        return Ok(Redirect::to(&format!("/t/{what}")));
    }
    let value = what.replace('\\', "\\\\").replace('"', "\\\"");
    let exact = format!("business_key = \"{value}\"");
    let part = format!("business_key ~ \"{value}\"");
    for filter in [exact, part.clone()] {
        let found = search(&desk, &filter, "").await?;
        match found.rows.as_slice() {
            [one] if found.next.is_empty() => return Ok(Redirect::to(&format!("/t/{}", one.gid))),
            [] => {}
            _ => return Ok(Redirect::to(&address(&filter, ""))),
        }
    }
    Ok(Redirect::to(&address(&part, "")))
}

/// The address of a list.
#[must_use]
pub fn address(filter: &str, after: &str) -> String {
    match after {
        "" => format!("/list?q={}", in_address(filter)),
        after => format!("/list?q={}&after={}", in_address(filter), in_address(after)),
    }
}

async fn search(desk: &Desk, filter: &str, after: &str) -> Result<Found, tonic::Status> {
    let began = Instant::now();
    let mut found = Found { rows: Vec::new(), next: after.to_owned() };
    loop {
        let left = i32::try_from(ROWS - found.rows.len()).unwrap_or(1);
        let (filter, page_token) = (filter.to_owned(), found.next.clone());
        let request = ListRequest { filter, page_token, page_size: left, ..ListRequest::default() };
        let page = desk.api.transactions().list(request).await?.into_inner();
        found.rows.extend(page.transactions);
        found.next = page.next_page_token;
        if found.next.is_empty() || found.rows.len() >= ROWS || began.elapsed() > LOOKING {
            return Ok(found);
        }
    }
}

fn field(filter: &str, wrong: Option<&str>) -> Markup {
    html! {
        form.filter action="/list" method="get" {
            label for="q" { "Filter" }
            div.row {
                input #q name="q" value=(filter) maxlength="4000" autocomplete="off" spellcheck="false"
                    aria-invalid=[wrong.map(|_| "true")] aria-describedby=[wrong.map(|_| "wrong")]
                    placeholder="open and waiting_for = gateway";
                button type="submit" { "Show" }
                @if wrong.is_none() && !filter.is_empty() {
                    a.button href={ "/bulk?q=" (in_address(filter)) } { "Act on all of these" }
                }
            }
            @if let Some(wrong) = wrong { div #wrong .wrong role="alert" { (failure::said(wrong)) } }
            details {
                summary { "What can be asked for" }
                p { "Conditions, joined by " code { "and" } ", " code { "or" } ", " code { "not" } " and parentheses: "
                    code { "open" } " · " code { "attention" } " · " code { "paused" } " · "
                    code { "status = running" } " · " code { "status in (failed, cancelled)" } " · "
                    code { "definition = checkout" } " · " code { "business_key = \"shop/42\"" } " · "
                    code { "participant = gateway" } " · " code { "waiting_for = gateway" } " · "
                    code { "code = UNAVAILABLE" } " · " code { "attempts > 5" } " · " code { "age > 5m" } " · "
                    code { "started > 2h ago" } " · " code { "attention = payment_in_doubt" } " · "
                    code { "owner = ann" } " · " code { "reason ~ \"stock\"" } }
            }
            div #saved .tabs {}
        }
    }
}

/// Filters that are asked for often, with how many there are.
fn tabs(filter: &str, stats: Option<&StatsResponse>) -> Markup {
    let of = |status: Status| {
        stats.map(|stats| {
            stats.statuses.iter().filter(|figure| figure.status() == status).map(|figure| figure.count).sum()
        })
    };
    let needs: Option<i64> = stats.map(|stats| stats.causes.iter().map(|cause| cause.count).sum());
    let tabs: [(&str, &str, Option<i64>); 9] = [
        ("All", "", stats.map(|stats| stats.statuses.iter().map(|figure| figure.count).sum())),
        ("Open", "open", stats.map(|stats| stats.open)),
        ("Needs a person", "attention", None),
        ("Paused", "paused", stats.map(|stats| stats.paused)),
        ("Running", "status = running", of(Status::Running)),
        ("Compensating", "status = compensating", of(Status::Compensating)),
        ("Succeeded", "status = succeeded", of(Status::Succeeded)),
        ("Failed", "status = failed", of(Status::Failed)),
        ("Cancelled", "status = cancelled", of(Status::Cancelled)),
    ];
    html! {
        nav.tabs aria-label="Common filters" {
            @for (name, tab, number) in tabs {
                a.tab href=(address(tab, "")) aria-current=[(tab == filter.trim()).then_some("page")] {
                    (name) @if let Some(number) = number { " " b { (count(number)) } }
                    // One may have several needs: how many are open is not how many rows there are.
                    @if let Some(needs) = needs.filter(|_| tab == "attention") {
                        " " b { (words::of(needs, "need", "needs")) }
                    }
                }
            }
        }
    }
}

/// Rows of global transactions.
#[must_use]
pub fn table(rows: &[GlobalTransaction], now_us: i64) -> Markup {
    html! {
        div.scroll tabindex="0" { table.stack #rows {
            thead { tr {
                th { "Business key" } th { "Status" } th { "Definition" } th { "Started" } th { "Took" } th { "Reason" }
            } }
            tbody { @for row in rows { (line(row, now_us)) } }
        } }
    }
}

fn line(row: &GlobalTransaction, now_us: i64) -> Markup {
    let took = match row.finished_at.as_ref() {
        Some(end) => stretch(words::micros(Some(end)) - words::micros(row.created_at.as_ref())),
        None => format!("open for {}", ago(row.created_at.as_ref(), now_us)),
    };
    html! {
        tr {
            td data-label="Business key" {
                a id={ "r-" (row.gid) } href={ "/t/" (row.gid) } { (row.business_key) }
                span.gid { (row.gid) }
            }
            td data-label="Status" {
                (words::status(row.status()))
                @if row.attention.is_some() { " " (chip(Tone::Bad, "needs a person")) }
                @if row.paused { " " (chip(Tone::Warn, "paused")) }
            }
            td.brief data-label="Definition" { (row.definition) " " span.quiet { (words::mode_name(row.mode())) } }
            td data-label="Started" { (moment(row.created_at.as_ref(), Form::Full)) }
            td.brief data-label="Took" { (took) }
            td.long data-label="Reason" { (words::reason(&row.reason)) }
        }
    }
}

/// What is behind this page; and that there is nothing on it, where that is so.
fn rest(asked: &Asked, found: &Found) -> Markup {
    html! {
        @if found.rows.is_empty() {
            p { @if !found.next.is_empty() { "None of those looked at so far fits this filter." }
                @else if asked.q.trim().is_empty() { "No global transaction was started yet." }
                @else { "No global transaction fits this filter." } }
        }
        nav.paging aria-label="Page by page" {
            @if !asked.after.is_empty() { a.button href=(address(&asked.q, "")) { "Newest" } }
            @if !found.next.is_empty() {
                a.button href=(address(&asked.q, &found.next)) {
                    @if found.rows.len() < ROWS { "Look further back" } @else { "Older" }
                }
            } @else if !found.rows.is_empty() { span.quiet { "That is all." } }
        }
    }
}
