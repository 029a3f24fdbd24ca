//! The span of a local transaction: how it ended, and which kinds of statements it was made of. Never a statement's text or
//! a value. Knows no table.

use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{DbBackend, DbErr};

use crate::traces::{self, Kind, Span};

/// Kinds of statements, as the span names them.
const VERBS: [&str; 5] = ["SELECT", "INSERT", "UPDATE", "DELETE", "other"];

/// What a local transaction tells of itself.
#[derive(Debug)]
pub(super) struct Trace {
    span: Span,
    verbs: [AtomicU32; VERBS.len()],
}

impl Trace {
    /// Begins with the wait for its turn, below whatever the task is at.
    pub fn begin(backend: DbBackend) -> Trace {
        let mut span = Span::begin(Kind::Client, "local transaction", traces::current());
        if span.is_recorded() {
            let system = if backend == DbBackend::Postgres { "postgresql" } else { "sqlite" };
            span.set("db.system.name", system);
        }
        Trace { span, verbs: Default::default() }
    }

    /// A statement is made that begins with this word.
    pub fn saw(&self, sql: &str) {
        if self.span.is_recorded() {
            let word = sql.split_ascii_whitespace().next().unwrap_or_default();
            let known = VERBS.iter().position(|verb| verb.eq_ignore_ascii_case(word));
            self.verbs[known.unwrap_or(VERBS.len() - 1)].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It ended by the caller's word.
    pub fn end(mut self, how: &'static str, outcome: &Result<(), DbErr>) {
        if self.span.is_recorded() {
            self.conclude(if outcome.is_ok() { how } else { "unknown" });
        }
    }

    fn conclude(&mut self, outcome: &'static str) {
        self.span.set("amends.outcome", outcome);
        if outcome == "unknown" {
            self.span.fail("nobody knows whether it is durable");
        }
        let summary: Vec<String> = VERBS.iter().zip(&self.verbs).filter_map(made).collect();
        self.span.set("db.query.summary", &summary.join(" "));
        self.span = Span::default();
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if self.span.is_recorded() {
            self.conclude("rolled back");
        }
    }
}

fn made((verb, count): (&&str, &AtomicU32)) -> Option<String> {
    match count.load(Ordering::Relaxed) {
        0 => None,
        1 => Some((*verb).to_owned()),
        count => Some(format!("{count}×{verb}")),
    }
}
