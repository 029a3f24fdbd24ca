//! The definitions that this orchestrator runs: the steps of a plan that leaves none out, in both modes, with their
//! policies. What a global transaction really does is its own plan.

use super::Desk;
use super::frame::{self, Head, Place};
use super::words::{Form, Tone, chip, in_address, method, mode_name, moment, stretch};
use crate::definitions::{self, Order, samples};
use crate::plan::{Mode, Plan};
use amends_dtm::Gid;
use amends_proto::amends::v1::{Hold, PlanStep, StepPolicy, scope::What};
use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};
use std::sync::Arc;

/// The page.
pub async fn page(State(desk): State<Arc<Desk>>) -> Html<String> {
    let sight = desk.lookout.sight().await;
    let holds = sight.as_ref().map(|sight| sight.holds.as_slice()).unwrap_or_default();
    let head = Head { title: "Definitions", here: Place::Definitions, live: Some("/definitions") };
    let main = html! {
        h1 { "Definitions" }
        @for (name, plans) in plans(&desk) { (one(name, &plans, holds)) }
        p.quiet { "Besides, callers start steps of their own at the participants above." }
    };
    Html(frame::page(&head, &html! {}, &main).into_string())
}

/// Plans of each definition whose participants are here.
fn plans(desk: &Desk) -> Vec<(&'static str, Vec<Plan>)> {
    let names: Vec<&str> = desk.participants.iter().map(String::as_str).collect();
    let served = samples::all()
        .into_iter()
        .filter(|sample| sample.participants.iter().all(|name| names.contains(name)));
    let plan = |sample: &samples::Sample, mode: Mode| {
        let order = Order {
            gid: Gid::generate(),
            mode,
            input: &sample.input,
            business_key: "sample",
            traceparent: "",
            now_us: 1,
            times: desk.times,
            participants: &names,
        };
        definitions::plan(sample.definition, &order).ok().map(|planned| planned.plan)
    };
    let both = |sample: samples::Sample| {
        let plans = [Mode::Saga, Mode::Tcc].into_iter().filter_map(|mode| plan(&sample, mode)).collect();
        (sample.definition, plans)
    };
    served.map(both).collect()
}

fn one(name: &str, plans: &[Plan], holds: &[Hold]) -> Markup {
    let is_of = |hold: &&Hold| {
        let what = hold.scope.as_ref().and_then(|scope| scope.what.as_ref());
        matches!(what, Some(What::Definition(held)) if held == name)
    };
    let held = holds.iter().find(is_of);
    html! {
        section.card aria-labelledby={ "h-" (name) } {
            h2 id={ "h-" (name) } { (name) @if held.is_some() { " " (chip(Tone::Warn, "paused")) } }
            @if let Some(hold) = held {
                p { "Paused since " (moment(hold.since.as_ref(), Form::Full)) " by " (hold.subject) ": " (hold.reason) }
            }
            nav.acts aria-label={ "What can be done about " (name) } {
                @if held.is_some() { a.button href={ "/hold/definition/" (name) "/resume" } { "Resume all of them" } }
                @else { a.button href={ "/hold/definition/" (name) "/pause" } { "Pause all of them" } }
                a.button href={ "/list?q=" (in_address(&format!("definition = \"{name}\" and open"))) } { "Open ones" }
            }
            @for plan in plans { (in_mode(plan)) }
        }
    }
}

fn in_mode(plan: &Plan) -> Markup {
    let (body, confirms) = (plan.body(), plan.mode() == Mode::Tcc);
    html! {
        h3 { (mode_name(plan.mode())) ", version " (body.definition_version)
            @if body.timeout_ms > 0 { ", within " (ms(body.timeout_ms)) } }
        div.scroll tabindex="0" { table.stack {
            thead { tr { th { "Step" } th { "Calls" } @if confirms { th { "Confirm" } } th { "Undo" } th { "Policy" } } }
            tbody {
                @for step in plan.steps() {
                    tr {
                        td data-label="Step" { (step.branch_id) " " @if step.pivot { (chip(Tone::Warn, "pivot")) } }
                        td data-label="Calls" { (step.participant) "." (method(&step.forward)) }
                        @if confirms { td data-label="Confirm" { (method(&step.confirm)) } }
                        td data-label="Undo" { @if step.undo.is_empty() { span.quiet { "nothing to undo" } } @else { (method(&step.undo)) } }
                        td data-label="Policy" { (policy(step)) }
                    }
                }
            }
        } }
    }
}

fn policy(step: &PlanStep) -> Markup {
    let StepPolicy {
        attempt_timeout_ms,
        step_timeout_ms,
        initial_interval_ms,
        max_interval_ms,
        attention_after_ms,
        max_attempts,
        ..
    } = step.policy.unwrap_or_default();
    html! {
        "attempt " (ms(attempt_timeout_ms))
        @if step_timeout_ms > 0 { ", step " (ms(step_timeout_ms)) }
        ", again after " (ms(initial_interval_ms)) " to " (ms(max_interval_ms))
        @if max_attempts > 0 { ", at most " (max_attempts) " attempts" }
        @if attention_after_ms > 0 { ", a person after " (ms(attention_after_ms)) }
    }
}

fn ms(ms: i32) -> String {
    stretch(i64::from(ms) * 1_000)
}
