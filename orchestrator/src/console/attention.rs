//! Everything that needs a person, oldest first; payments in doubt and disagreements among it.

use super::failure::Failure;
use super::frame::{self, Head, Place};
use super::words::{Form, Tone, ago, at, chip, count, in_address, moment, reason, spaced};
use super::{Desk, remedy};
use amends_proto::amends::v1::{Acknowledgement, ListAttentionRequest, ListAttentionResponse, OpenAttention};
use axum::extract::{Query, State};
use axum::response::Html;
use maud::{Markup, html};
use serde::Deserialize;
use std::sync::Arc;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    cause: String,
    #[serde(default)]
    owner: String,
    /// Only what nobody has seen.
    #[serde(default)]
    unseen: String,
    #[serde(default)]
    after: String,
}

impl Asked {
    fn address(&self, after: &str) -> String {
        let field = |name: &str, value: &str| match value {
            "" => String::new(),
            value => format!("&{name}={}", in_address(value)),
        };
        let fields = [
            field("cause", &self.cause),
            field("owner", &self.owner),
            field("unseen", &self.unseen),
            field("after", after),
        ];
        format!("/attention?{}", fields.concat().trim_start_matches('&'))
    }
}

/// The page.
pub async fn page(
    State(desk): State<Arc<Desk>>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Failure> {
    let acknowledgement = match asked.unseen.as_str() {
        "" => Acknowledgement::Unspecified,
        _ => Acknowledgement::Unacknowledged,
    };
    let request = ListAttentionRequest {
        cause: asked.cause.clone(),
        owner: asked.owner.clone(),
        acknowledgement: acknowledgement.into(),
        page_token: asked.after.clone(),
        ..ListAttentionRequest::default()
    };
    let found = desk.api.operations().list_attention(request).await?.into_inner();
    let own = asked.address(&asked.after);
    let head = Head { title: "Needs a person", here: Place::Attention, live: Some(&own) };
    let main = html! {
        h1 { "Needs a person" }
        (tabs(&asked, &found))
        @if found.open.is_empty() { p { (chip(Tone::Good, "Nothing of that kind is open.")) } }
        @for need in &found.open { (one(need, (desk.clock)())) }
        @if !found.next_page_token.is_empty() {
            nav.paging { a.button href=(asked.address(&found.next_page_token)) { "More" } }
        }
    };
    Ok(Html(frame::page(&head, &html! {}, &main).into_string()))
}

fn tabs(asked: &Asked, found: &ListAttentionResponse) -> Markup {
    let unseen: i64 = found.counts.iter().map(|count| count.unacknowledged).sum();
    let all = asked.cause.is_empty() && asked.unseen.is_empty();
    html! {
        nav.tabs aria-label="Causes" {
            a.tab href="/attention" aria-current=[all.then_some("page")] { "All" }
            a.tab href="/attention?unseen=1" aria-current=[(!asked.unseen.is_empty()).then_some("page")] {
                "Seen by nobody " b { (count(unseen)) }
            }
            @for one in &found.counts {
                a.tab href={ "/attention?cause=" (in_address(&one.cause)) }
                    aria-current=[(one.cause == asked.cause).then_some("page")] {
                    (spaced(&one.cause)) " " b { (count(one.open)) }
                }
            }
        }
    }
}

fn one(need: &OpenAttention, now_us: i64) -> Markup {
    html! {
        article.need {
            h2 { a id={ "r-" (need.gid) "-" (need.cause) } href={ "/t/" (need.gid) } { (need.business_key) } " "
                (chip(Tone::Bad, &spaced(&need.cause))) }
            p { (reason(&need.text)) }
            dl.facts.across {
                dt { "Open for" } dd { (ago(need.since.as_ref(), now_us)) ", since " (moment(need.since.as_ref(), Form::Full)) }
                @if !need.branch_id.is_empty() { dt { "At" } dd { (need.branch_id) " " (need.op) } }
                dt { "Definition" } dd { (need.definition) ", " (need.status) }
                dt { "Looked after by" } dd {
                    @if need.acknowledged_by.is_empty() { "nobody" }
                    @else { (need.owner) ", says " (need.acknowledged_by)
                        @if !need.note.is_empty() { ": " (need.note) } }
                }
                @if !need.next_action.is_empty() {
                    dt { "By itself" } dd { (need.next_action) (at(need.next_action_at.as_ref())) }
                }
            }
            (remedy::about(&need.gid, &need.cause, &remedy::at(&need.branch_id, &need.op)))
        }
    }
}
