//! Three books of one global transaction side by side: our history, the coordinator's own, and the rows that each
//! participant keeps; what does not fit is marked. A page of its own, which the page of the global transaction fetches:
//! whoever does not answer holds nobody up. Asks the API only; compares nothing that the API has compared.

use super::Desk;
use super::api::Api;
use super::failure::Failure;
use super::frame::{self, Head, Place};
use super::words::{Form, Tone, chip, moment, op_state, reason};
use amends_proto::amends::v1::{
    BranchRow, BranchRowsRequest, BranchRowsResponse, CoordinatorViewRequest, CoordinatorViewResponse,
    GetRequest, GlobalTransaction, OpState, ParticipantRows, RowsState,
};
use axum::extract::{Path, State};
use axum::response::Html;
use maud::{Markup, html};
use std::sync::Arc;
use std::time::Duration;

/// Name of the coordinator that keeps no book of its own.
const EMBEDDED: &str = "embedded";
/// The cause of a need for a person that the auditor opens.
const DISAGREEMENT: &str = "disagreement";
/// Whoever has not answered by then is told as away. Participants are given up sooner by the API itself.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// The books as far as they could be read.
struct Books {
    transaction: GlobalTransaction,
    coordinator: Option<CoordinatorViewResponse>,
    rows: Option<BranchRowsResponse>,
}

/// The page.
pub async fn page(State(desk): State<Arc<Desk>>, Path(gid): Path<String>) -> Result<Html<String>, Failure> {
    let books = Books::read(&desk.api, &gid).await?;
    let title = format!("The books about {}", books.transaction.business_key);
    let main = html! {
        h1 { (title) }
        p { a href={ "/t/" (gid) } { "Back to it" } }
        (books.show())
    };
    let head = Head { title: &title, here: Place::List, live: None };
    Ok(Html(frame::page(&head, &html! {}, &main).into_string()))
}

/// Where the books are fetched into a page that must not wait for them. It stays outside of what is exchanged with each
/// piece of news: participants are asked every few seconds at most, and once where all has ended.
#[must_use]
pub fn place(gid: &str, open: bool) -> Markup {
    let when = if open { "load, amends-news from:body throttle:5s" } else { "load" };
    html! {
        section aria-labelledby="h-books" {
            h2 #h-books { "Coordinator and participants beside our history" }
            div hx-get={ "/t/" (gid) "/books" } hx-trigger=(when) hx-select="#books"
                hx-swap="innerHTML" hx-sync="this:drop" {
                p { a href={ "/t/" (gid) "/books" } { "Ask the coordinator and the participants" } }
            }
        }
    }
}

impl Books {
    async fn read(api: &Api, gid: &str) -> Result<Self, Failure> {
        let (mut one, mut two, mut three) = (api.transactions(), api.operations(), api.operations());
        let gid = || gid.to_owned();
        let (transaction, coordinator, rows) = tokio::join!(
            one.get(GetRequest { gid: gid() }),
            tokio::time::timeout(PATIENCE, two.coordinator_view(CoordinatorViewRequest { gid: gid() })),
            tokio::time::timeout(PATIENCE, three.branch_rows(BranchRowsRequest { gid: gid() })),
        );
        Ok(Self {
            transaction: transaction?.into_inner(),
            coordinator: coordinator.ok().and_then(Result::ok).map(tonic::Response::into_inner),
            rows: rows.ok().and_then(Result::ok).map(tonic::Response::into_inner),
        })
    }

    fn show(&self) -> Markup {
        html! {
            div #books {
                (self.said_by_the_coordinator())
                (self.said_by_participants())
                (self.table())
            }
        }
    }

    fn said_by_the_coordinator(&self) -> Markup {
        let found = self.transaction.all_attention.iter().find(|need| need.cause == DISAGREEMENT);
        html! {
            @if self.transaction.coordinator == EMBEDDED {
                p { "The engine drives it by itself: besides the participants' rows this history is the only book." }
            } @else {
                @match &self.coordinator {
                    None => p { (chip(Tone::Bad, "the coordinator does not answer")) },
                    Some(view) if !view.known => p {
                        (chip(Tone::Warn, "the coordinator does not know this gid")) " History is the truth, and ends it by itself."
                    },
                    Some(view) => p { "The coordinator says " b { (view.status) } ", history says " b { (view.history_status) } ". "
                        @if contradicts(&view.status, &view.history_status) { (chip(Tone::Bad, "they disagree")) }
                        @if !view.rollback_reason.is_empty() { " It rolled back because: " (reason(&view.rollback_reason)) } },
                }
            }
            @if let Some(found) = found { p { (chip(Tone::Bad, "the auditor found a disagreement")) " " (reason(&found.text)) } }
        }
    }

    fn said_by_participants(&self) -> Markup {
        let Some(rows) = &self.rows else {
            return html! { p { (chip(Tone::Bad, "the participants could not be asked")) } };
        };
        let away: Vec<&str> =
            rows.participants.iter().filter(|one| is_away(one)).map(|one| one.participant.as_str()).collect();
        html! {
            @if rows.moved { p { (chip(Tone::Busy, "it moved while they were asked")) " What they say and history are of two moments: nothing is marked." } }
            @for one in &rows.differences { p { (chip(Tone::Bad, "differs")) " " (one.text) } }
            @if !away.is_empty() { p { (chip(Tone::Warn, "not reachable")) " " (away.join(", ")) } }
            @if !rows.moved && rows.differences.is_empty() && away.is_empty() {
                p { (chip(Tone::Good, "What the participants say fits history.")) }
            }
        }
    }

    fn table(&self) -> Markup {
        html! {
            div.scroll tabindex="0" { table.stack {
                thead { tr { th { "Step" } th { "Op" } th { "History" }
                    @if self.transaction.coordinator != EMBEDDED { th { "Coordinator" } }
                    th { "Participant's own row" } th { "" } } }
                tbody { @for (branch_id, op) in self.ops() { (self.line(branch_id, op)) } }
            } }
        }
    }

    fn line(&self, branch_id: &str, op: &str) -> Markup {
        let step = self.transaction.steps.iter().find(|step| step.branch_id == branch_id);
        let participant = step.map(|step| step.participant.as_str());
        let ours = self.ours(branch_id, op);
        let (tone, said) = op_state(&self.transaction, ours);
        let theirs = self.theirs(branch_id, op);
        html! {
            tr {
                td.half data-label="Step" { (branch_id) " " (participant.unwrap_or("not in the plan")) }
                td.half data-label="Op" { (op) }
                td.half data-label="History" { (chip(tone, said)) }
                @if self.transaction.coordinator != EMBEDDED {
                    td.half data-label="DTM" { (theirs.unwrap_or("–")) }
                }
                td.long data-label="Own row" { (self.own_row(participant, branch_id, op)) }
                td { @if self.differs(branch_id, op) || theirs.is_some_and(|theirs| excludes(theirs, ours)) {
                    (chip(Tone::Bad, "differs")) } }
            }
        }
    }

    /// Every op that any of the books knows, in the order of the plan.
    fn ops(&self) -> Vec<(&str, &str)> {
        let ours = self.transaction.steps.iter();
        let ours = ours.flat_map(|step| step.ops.iter().map(|op| (step.branch_id.as_str(), op.op.as_str())));
        let theirs = self.coordinator.iter().flat_map(|view| &view.branches);
        let theirs = theirs.map(|branch| (branch.branch_id.as_str(), branch.op.as_str()));
        let rows = self.rows.iter().flat_map(|rows| &rows.participants).flat_map(|one| &one.rows);
        let rows = rows.map(|row| (row.branch_id.as_str(), row.op.as_str()));
        let mut all: Vec<(&str, &str)> = ours.chain(theirs).chain(rows).collect();
        // Names of ops stand in the order in which they happen: action, compensate; try, confirm, cancel.
        let place =
            |op: &str| ["action", "try", "confirm", "cancel", "compensate"].iter().position(|it| *it == op);
        all.sort_by_key(|(branch_id, op)| (*branch_id, place(op), *op));
        all.dedup();
        all
    }

    fn ours(&self, branch_id: &str, op: &str) -> OpState {
        let step = self.transaction.steps.iter().find(|step| step.branch_id == branch_id);
        let known = step.and_then(|step| step.ops.iter().find(|known| known.op == op));
        known.map_or(OpState::Unspecified, amends_proto::amends::v1::Op::state)
    }

    fn theirs(&self, branch_id: &str, op: &str) -> Option<&str> {
        let mut branches = self.coordinator.iter().flat_map(|view| &view.branches);
        branches.find(|it| it.branch_id == branch_id && it.op == op).map(|it| it.status.as_str())
    }

    fn differs(&self, branch_id: &str, op: &str) -> bool {
        let mut found = self.rows.iter().flat_map(|rows| &rows.differences);
        found.any(|one| one.branch_id == branch_id && one.op == op)
    }

    fn own_row(&self, participant: Option<&str>, branch_id: &str, op: &str) -> Markup {
        let told = || self.rows.iter().flat_map(|rows| &rows.participants);
        let row = told().flat_map(|one| &one.rows).find(|row| row.branch_id == branch_id && row.op == op);
        let of_step = told().find(|one| Some(one.participant.as_str()) == participant);
        match (row, of_step.map(ParticipantRows::state)) {
            (Some(row), _) => show_row(row),
            (None, Some(RowsState::NotReachable) | None) => chip(Tone::Warn, "not reachable"),
            (None, Some(RowsState::NoneKept)) => html! { span.quiet { "keeps no rows" } },
            (None, Some(RowsState::Told | RowsState::Unspecified)) => html! { span.quiet { "no row" } },
        }
    }
}

fn is_away(one: &ParticipantRows) -> bool {
    one.state() == RowsState::NotReachable
}

fn show_row(row: &BranchRow) -> Markup {
    let (tone, said) = match row.status.as_str() {
        "running" => (Tone::Busy, "running"),
        "done" => (Tone::Good, "done"),
        "refused" => (Tone::Bad, "refused"),
        "tombstone" => (Tone::Quiet, "its undo came first"),
        other => (Tone::Quiet, other),
    };
    html! {
        (chip(tone, said)) " " span.quiet { (moment(row.created_at.as_ref(), Form::Fine)) }
        @if !row.reason.is_empty() { " " (reason(&row.reason)) }
    }
}

/// Whether two ends exclude each other. While one of them is under way, the other may be a step behind.
fn contradicts(theirs: &str, ours: &str) -> bool {
    matches!((theirs, ours), ("succeed", "failed" | "cancelled") | ("failed", "succeeded"))
}

/// Whether two final outcomes of an op exclude each other.
fn excludes(theirs: &str, ours: OpState) -> bool {
    match ours {
        OpState::Refused => theirs == "succeed",
        OpState::Succeeded => theirs == "failed",
        OpState::Unspecified | OpState::Running | OpState::Waiting | OpState::Skipped => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_proto::amends::v1::{CoordinatorBranch, Op, RowDifference, Step};

    fn books(coordinator: &str) -> Books {
        let op = Op { op: "action".into(), state: OpState::Refused.into(), ..Op::default() };
        let step =
            Step { branch_id: "01".into(), participant: "order".into(), ops: vec![op], ..Step::default() };
        let transaction = GlobalTransaction {
            coordinator: coordinator.into(),
            steps: vec![step],
            ..GlobalTransaction::default()
        };
        let told = ParticipantRows {
            participant: "order".into(),
            state: RowsState::Told.into(),
            ..ParticipantRows::default()
        };
        let rows = BranchRowsResponse { participants: vec![told], ..BranchRowsResponse::default() };
        Books { transaction, coordinator: None, rows: Some(rows) }
    }

    fn with_view(status: &str, branch_status: &str) -> String {
        let branch =
            CoordinatorBranch { branch_id: "01".into(), op: "action".into(), status: branch_status.into() };
        let view = CoordinatorViewResponse {
            known: true,
            status: status.into(),
            history_status: "failed".into(),
            branches: vec![branch],
            ..CoordinatorViewResponse::default()
        };
        Books { coordinator: Some(view), ..books("dtm") }.show().into_string()
    }

    #[test]
    fn what_excludes_each_other_is_marked() {
        let agreed = with_view("failed", "failed");
        assert!(!agreed.contains("disagree") && !agreed.contains("differs"), "{agreed}");
        assert!(with_view("succeed", "failed").contains("they disagree"));
        assert!(with_view("failed", "succeed").contains("differs"));
        let unknown = Books { coordinator: Some(CoordinatorViewResponse::default()), ..books("dtm") };
        assert!(unknown.show().into_string().contains("does not know"));
        assert!(books("dtm").show().into_string().contains("does not answer"));
    }

    #[test]
    fn rows_stand_beside_history_and_whoever_is_away_is_named() {
        let with = |state: RowsState, rows: Vec<BranchRow>, differences: Vec<RowDifference>| {
            let mut books = books(EMBEDDED);
            let told = books.rows.as_mut().unwrap();
            told.participants[0].state = state.into();
            told.participants[0].rows = rows;
            told.differences = differences;
            books.show().into_string()
        };
        let row = |branch_id: &str, op: &str, status: &str| BranchRow {
            branch_id: branch_id.into(),
            op: op.into(),
            status: status.into(),
            ..BranchRow::default()
        };
        let fits = with(RowsState::Told, vec![row("01", "action", "refused")], vec![]);
        assert!(fits.contains("fits history") && !fits.contains("differs"), "{fits}");
        let found =
            RowDifference { branch_id: "01".into(), op: "action".into(), text: "order did it".into() };
        let differs = with(RowsState::Told, vec![row("01", "action", "done")], vec![found]);
        assert!(differs.contains("order did it") && !differs.contains("fits history"), "{differs}");
        assert_eq!(differs.matches("</span>differs").count(), 2, "above, and in its line: {differs}");
        let away = with(RowsState::NotReachable, vec![], vec![]);
        assert!(away.contains("not reachable") && !away.contains("fits history"), "{away}");
        assert!(with(RowsState::NoneKept, vec![], vec![]).contains("keeps no rows"));
        let foreign = with(RowsState::Told, vec![row("09", "cancel", "tombstone")], vec![]);
        assert!(foreign.contains("not in the plan") && foreign.contains("undo came first"), "{foreign}");
        let unasked = Books { rows: None, ..books(EMBEDDED) }.show().into_string();
        assert!(unasked.contains("could not be asked"), "{unasked}");
    }
}
