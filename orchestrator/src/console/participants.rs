//! The participants: who serves, how their lanes stand and what they are set to, and what is paused.

use super::Desk;
use super::frame::{self, Head, Place};
use super::lookout::Sight;
use super::overview::{count_u64, serving, state};
use super::words::{Form, Tone, chip, moment, spaced, stretch};
use amends_proto::amends::v1::{Hold, Lane, LaneSettings, scope::What};
use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};
use std::sync::Arc;

/// The page.
pub async fn page(State(desk): State<Arc<Desk>>) -> Html<String> {
    let sight = desk.lookout.sight().await;
    let head = Head { title: "Participants", here: Place::Participants, live: Some("/participants") };
    let main = html! {
        h1 { "Participants" }
        @match sight {
            None => p { "The figures are being gathered …" },
            Some(sight) => {
                @for lane in &sight.lanes { (one(&sight, lane)) }
                p.quiet { "Lanes are those of this orchestrator. Their settings are changed by " code { "amends lanes set" } "." }
            }
        }
    };
    Html(frame::page(&head, &html! {}, &main).into_string())
}

fn one(sight: &Sight, lane: &Lane) -> Markup {
    let name = &lane.participant;
    let held = sight.holds.iter().find(|hold| is_of(hold, name));
    html! {
        section.card id=(name) aria-labelledby={ "h-" (name) } {
            h2 id={ "h-" (name) } { (name) " " (serving(sight, name)) " " (state(lane))
                @if held.is_some() { " " (chip(Tone::Warn, "paused")) } }
            @if let Some(hold) = held {
                p { "Paused since " (moment(hold.since.as_ref(), Form::Full)) " by " (hold.subject) ": " (hold.reason) }
            }
            dl.facts.across {
                dt { "Address" } dd { code { (lane.address) } }
                dt { "In flight" } dd { (lane.in_flight) " of " (lane.width) }
                dt { "Waiting" } dd { (lane.depth)
                    @for backlog in &lane.waiting { ", " (backlog.waiting) " of " (backlog.definition) } }
                dt { "Calls" } dd { (count_u64(lane.calls)) ", of these repeats " (count_u64(lane.repeats)) }
                @if let Some(breaker) = &lane.breaker {
                    dt { "Breaker" } dd { (spaced(&breaker.state)) " since " (moment(breaker.since.as_ref(), Form::Clock))
                        ", " (breaker.failures) " in a row without a proper answer" }
                }
                @if lane.waits_until.is_some() { dt { "Calls wait until" } dd { (moment(lane.waits_until.as_ref(), Form::Clock)) } }
                @if lane.slow_start_until.is_some() {
                    dt { "Widens until" } dd { (moment(lane.slow_start_until.as_ref(), Form::Clock)) }
                }
            }
            @if let Some(set) = &lane.settings { (settings(set, name)) }
            nav.acts aria-label={ "What can be done about " (name) } {
                @if held.is_some() { a.button href={ "/hold/participant/" (name) "/resume" } { "Resume its calls" } }
                @else { a.button href={ "/hold/participant/" (name) "/pause" } { "Pause its calls" } }
                a.button href={ "/list?q=" (super::words::in_address(&format!("waiting_for = \"{name}\""))) } { "Who waits for it" }
            }
        }
    }
}

fn is_of(hold: &Hold, participant: &str) -> bool {
    let what = hold.scope.as_ref().and_then(|scope| scope.what.as_ref());
    matches!(what, Some(What::Participant(name)) if name == participant)
}

fn settings(set: &LaneSettings, name: &str) -> Markup {
    let ms = |value: Option<u32>| stretch(i64::from(value.unwrap_or(0)) * 1_000);
    let number = |value: Option<u32>| value.unwrap_or(0);
    html! {
        details id={ "s-" (name) } {
            summary { "Settings of its lane" }
            dl.facts {
                dt { "Calls in flight, at most" } dd { (number(set.concurrency)) }
                dt { "Calls a second, at most" } dd { @if number(set.rate) == 0 { "any number" } @else { (number(set.rate)) } }
                dt { "Breaker opens after" } dd { (number(set.failures)) " in a row; slower than " (ms(set.slow_ms)) " counts" }
                dt { "It stays open" } dd { (ms(set.open_ms)) " to " (ms(set.open_max_ms)) }
                dt { "Then widens for" } dd { (ms(set.slow_start_ms)) }
                dt { "Repeats" } dd { (number(set.retry_percent)) " for a hundred first calls, and " (number(set.retry_floor)) " a second" }
            }
        }
    }
}
