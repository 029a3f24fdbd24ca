//! The first page: whether all is well, and if not, where to look.

use super::Desk;
use super::frame::{self, Head, Place};
use super::lookout::Sight;
use super::words::{self, Form, Tone, ago, chip, count, in_address, moment, spaced, stretch};
use amends_proto::amends::v1::{
    Hold, Lane, ListAttentionResponse, StatsResponse, Status, TopologyResponse, scope,
};
use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};
use std::collections::BTreeMap;
use std::sync::Arc;

const STATUSES: [Status; 6] = [
    Status::Accepted,
    Status::Running,
    Status::Compensating,
    Status::Succeeded,
    Status::Failed,
    Status::Cancelled,
];

/// The page.
pub async fn page(State(desk): State<Arc<Desk>>) -> Html<String> {
    let sight = desk.lookout.sight().await;
    let head = Head { title: "Overview", here: Place::Overview, live: Some("/") };
    let main = match sight {
        Some(sight) => whole(&sight, (desk.clock)()),
        None => html! { h1 { "Overview" } p { "The figures are being gathered …" } },
    };
    Html(frame::page(&head, &html! {}, &main).into_string())
}

fn whole(sight: &Sight, now_us: i64) -> Markup {
    html! {
        h1 { "Overview" }
        (verdict(sight))
        (figures(sight))
        div.columns {
            section aria-labelledby="h-need" { h2 #h-need { "Needs a person" } (needs(sight.needs.as_ref(), now_us)) }
            section aria-labelledby="h-who" {
                h2 #h-who { "Coordinator" }
                (coordinator(sight.topology.as_ref()))
                @if !sight.holds.is_empty() { h2 #h-paused { "Paused" } (holds(&sight.holds, now_us)) }
            }
        }
        section aria-labelledby="h-lanes" { h2 #h-lanes { "Participants" } (lanes(sight)) }
        section aria-labelledby="h-rates" { h2 #h-rates { "Rates" } (sight.rates.picture()) }
        section aria-labelledby="h-all" { h2 #h-all { "All by definition and status" } (statuses(sight.stats.as_ref())) }
    }
}

/// Everything that is wrong, in one line each; or that nothing is.
fn verdict(sight: &Sight) -> Markup {
    let mut wrong: Vec<String> = Vec::new();
    if sight.stats.is_none() {
        wrong.push("The history's figures cannot be read.".to_owned());
    }
    match &sight.topology {
        None => wrong.push("The coordinator does not answer in time.".to_owned()),
        Some(topology) if is_away(topology) => {
            wrong.push(format!("DTM at {} does not answer.", topology.dtm_grpc));
        }
        Some(_) => {}
    }
    let away = sight.serving.iter().filter(|(_, serves)| !**serves);
    wrong.extend(away.map(|(name, _)| format!("Participant {name} does not serve.")));
    let shut = sight.lanes.iter().filter(|lane| breaker(lane) != "closed");
    wrong.extend(shut.map(|lane| {
        format!(
            "The lane to {} is {}: too many calls failed or were slow.",
            lane.participant,
            spaced(breaker(lane))
        )
    }));
    if sight.needs.is_none() {
        wrong.push("Who is needed cannot be read.".to_owned());
    }
    let mut but: Vec<Markup> = Vec::new();
    if !sight.holds.is_empty() {
        let paused: Vec<String> = sight.holds.iter().map(held).collect();
        but.push(html! { a href="#h-paused" { (paused.join(" and ")) } @if paused.len() == 1 { " is" } @else { " are" } " paused" });
    }
    let needs: i64 = sight.needs.iter().flat_map(|needs| &needs.counts).map(|count| count.open).sum();
    if needs > 0 {
        let open = words::of(needs, "need for a person is open", "needs for a person are open");
        but.push(html! { a href="/attention" { (open) } });
    }
    html! {
        @if wrong.is_empty() && !but.is_empty() {
            p #verdict .notice.warn { (chip(Tone::Warn, "Everybody answers, and all lanes are open to calls; but ")) " "
                @for (at, what) in but.iter().enumerate() { @if at > 0 { ", and " } (what) } "." }
        } @else if wrong.is_empty() {
            p #verdict .notice.good { (chip(Tone::Good, "Everybody answers, and all lanes are open to calls.")) }
        } @else {
            ul #verdict .notice.bad { @for line in &wrong { li { (chip(Tone::Bad, line)) } } }
        }
    }
}

fn is_away(topology: &TopologyResponse) -> bool {
    !topology.dtm_grpc.is_empty() && topology.dtm_version.is_empty()
}

fn breaker(lane: &Lane) -> &str {
    lane.breaker.as_ref().map_or("closed", |breaker| breaker.state.as_str())
}

fn figures(sight: &Sight) -> Markup {
    let stats = sight.stats.clone().unwrap_or_default();
    let open_needs: i64 = stats.causes.iter().map(|cause| cause.count).sum();
    let age = stats.oldest_open_age.map_or_else(
        || "none".to_owned(),
        |age| stretch(age.seconds.saturating_mul(1_000_000).saturating_add(i64::from(age.nanos) / 1_000)),
    );
    let rates = sight.rates.now();
    let tile = |name: &str, value: String, address: &str, tone: Tone| {
        html! { a class={ "tile " (tone.class()) } href=(address) { span.name { (name) } b { (value) } } }
    };
    let needs_tone = if open_needs > 0 { Tone::Bad } else { Tone::Quiet };
    html! {
        div.tiles {
            (tile("Open", count(stats.open), "/list?q=open", Tone::Quiet))
            (tile("Need a person", count(open_needs), "/attention", needs_tone))
            (tile("Oldest open", age, "/list?q=open", Tone::Quiet))
            (tile("Paused", count(stats.paused), "/list?q=paused", Tone::Quiet))
            (tile("Started a second", format!("{:.1}", rates.started), "#h-rates", Tone::Quiet))
            (tile("Ended a second", format!("{:.1}", rates.ended), "#h-rates", Tone::Quiet))
        }
        p.quiet { "Counted at " (moment(stats.counted_at.as_ref(), Form::Clock)) ", at most every five seconds." }
    }
}

fn needs(needs: Option<&ListAttentionResponse>, now_us: i64) -> Markup {
    let Some(needs) = needs else { return html! { p { "This cannot be read now." } } };
    html! {
        @if needs.counts.is_empty() {
            p { (chip(Tone::Good, "Nobody is needed.")) }
        } @else {
            div.scroll tabindex="0" { table {
                thead { tr { th { "Cause" } th.number { "Open" } th.number { "Seen by nobody" } th { "Oldest" } } }
                tbody {
                    @for count in &needs.counts {
                        tr {
                            td { a href={ "/attention?cause=" (in_address(&count.cause)) } { (spaced(&count.cause)) } }
                            td.number { (words::count(count.open)) }
                            td.number { (words::count(count.unacknowledged)) }
                            td { (ago(count.since.as_ref(), now_us)) }
                        }
                    }
                }
            } }
        }
        @if let Some(notices) = needs.notices.as_ref().filter(|notices| notices.webhook && notices.pending > 0) {
            p { (chip(Tone::Warn, &format!("{} notices wait for their receiver", notices.pending))) " " (notices.last_error) }
        }
    }
}

fn coordinator(topology: Option<&TopologyResponse>) -> Markup {
    let Some(topology) = topology else { return html! { p { (chip(Tone::Bad, "no answer in time")) } } };
    html! {
        dl.facts {
            dt { "New ones are driven by" } dd { (topology.coordinator) }
            @if !topology.dtm_grpc.is_empty() {
                dt { "DTM" }
                dd #dtm {
                    @if is_away(topology) { (chip(Tone::Bad, "does not answer")) }
                    @else { (chip(Tone::Good, &topology.dtm_version)) }
                    " " span.quiet { (topology.dtm_grpc) }
                }
            }
            dt { "Orchestrator" } dd { (topology.version) }
        }
    }
}

fn holds(holds: &[Hold], now_us: i64) -> Markup {
    html! {
        ul {
            @for hold in holds {
                li {
                    (chip(Tone::Warn, &held(hold))) " for " (ago(hold.since.as_ref(), now_us))
                    " by " (hold.subject) @if !hold.reason.is_empty() { ": " (hold.reason) }
                    ". " a href=(ended_at(hold)) { "Resume" }
                }
            }
        }
    }
}

/// What a pause is about.
#[must_use]
pub fn held(hold: &Hold) -> String {
    use scope::What;
    match hold.scope.as_ref().and_then(|scope| scope.what.as_ref()) {
        Some(What::Definition(name)) => format!("definition {name}"),
        Some(What::Participant(name)) => format!("participant {name}"),
        Some(What::Gid(gid)) => gid.clone(),
        None => String::new(),
    }
}

/// Where a pause is ended: also one of what no other page lists, as a definition whose participants are not here.
fn ended_at(hold: &Hold) -> String {
    use scope::What;
    match hold.scope.as_ref().and_then(|scope| scope.what.as_ref()) {
        Some(What::Definition(name)) => format!("/hold/definition/{}/resume", in_address(name)),
        Some(What::Participant(name)) => format!("/hold/participant/{}/resume", in_address(name)),
        Some(What::Gid(gid)) => format!("/t/{}/resume", in_address(gid)),
        None => "/".to_owned(),
    }
}

fn lanes(sight: &Sight) -> Markup {
    html! {
        div.scroll tabindex="0" { table.stack {
            thead { tr {
                th { "Participant" } th { "Process" } th { "Lane" } th.number { "In flight" } th.number { "Waiting" }
                th.number { "Calls" } th.number { "Repeats" }
            } }
            tbody {
                @for lane in &sight.lanes {
                    tr {
                        td data-label="Participant" { a href={ "/participants#" (lane.participant) } { (lane.participant) } }
                        td data-label="Process" { (serving(sight, &lane.participant)) }
                        td data-label="Lane" { (state(lane)) }
                        td.number data-label="In flight" { (lane.in_flight) " of " (lane.width) }
                        td.number data-label="Waiting" { (lane.depth) }
                        td.number data-label="Calls" { (count_u64(lane.calls)) }
                        td.number data-label="Repeats" { (count_u64(lane.repeats)) }
                    }
                }
            }
        } }
    }
}

/// Whether the participant says that it serves.
#[must_use]
pub fn serving(sight: &Sight, participant: &str) -> Markup {
    match sight.serving.get(participant) {
        Some(true) => chip(Tone::Good, "serves"),
        Some(false) => chip(Tone::Bad, "does not serve"),
        None => chip(Tone::Quiet, "not known"),
    }
}

/// What the lane's breaker is at, and what calls wait for.
#[must_use]
pub fn state(lane: &Lane) -> Markup {
    let (tone, text) = match breaker(lane) {
        "closed" => (Tone::Good, "open to calls"),
        "half_open" => (Tone::Warn, "tries one call"),
        _ => (Tone::Bad, "shut: breaker open"),
    };
    html! {
        (chip(tone, text))
        @if !lane.waits_for.is_empty() { " " span.quiet { "waits for " (spaced(&lane.waits_for)) } }
    }
}

/// A count with its thousands apart.
#[must_use]
pub fn count_u64(number: u64) -> String {
    count(i64::try_from(number).unwrap_or(i64::MAX))
}

/// How many of each definition have each status: each figure leads to its list.
fn statuses(stats: Option<&StatsResponse>) -> Markup {
    let mut rows: BTreeMap<&str, BTreeMap<i32, i64>> = BTreeMap::new();
    for figure in stats.map(|stats| stats.statuses.as_slice()).unwrap_or_default() {
        *rows.entry(&figure.definition).or_default().entry(figure.status).or_default() += figure.count;
    }
    html! {
        div.scroll tabindex="0" { table.stack {
            thead { tr { th { "Definition" } @for status in STATUSES { th.number { (words::status_name(status)) } } } }
            tbody {
                @for (definition, counts) in &rows {
                    tr {
                        td data-label="Definition" { (definition) }
                        @for status in STATUSES {
                            @let name = words::status_name(status);
                            @let number = counts.get(&i32::from(status)).copied().unwrap_or(0);
                            @let filter = format!("definition = \"{definition}\" and status = {name}");
                            td.number data-label=(name) {
                                @if number == 0 { span.quiet { "0" } }
                                @else { a href={ "/list?q=" (in_address(&filter)) } { (count(number)) } }
                            }
                        }
                    }
                }
                @if rows.is_empty() { tr { td colspan="7" { "No global transaction was started yet." } } }
            }
        } }
    }
}
