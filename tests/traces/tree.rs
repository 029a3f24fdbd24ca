//! The spans of one global transaction as a tree, and what must be in it given its history.
use amends_proto::amends::v1::Event;
use amends_testkit::{Coordinator, Seen};
use std::collections::{BTreeSet, HashMap};

/// The spans of one trace.
pub struct Tree<'a> {
    spans: Vec<&'a Seen>,
    by_id: HashMap<&'a str, &'a Seen>,
}

/// An attempt that history knows, with its outcome if it has one there.
type Attempt = (String, String, String, Option<&'static str>);

impl<'a> Tree<'a> {
    /// The trace that has the global transaction; it must have no second one.
    pub fn of(seen: &'a [Seen], gid: &str) -> Result<Tree<'a>, String> {
        let traces: BTreeSet<&str> = seen
            .iter()
            .filter(|span| span.says("amends.gid") == gid)
            .map(|span| span.trace_id.as_str())
            .collect();
        let mut traces = traces.into_iter();
        let trace_id = traces.next().ok_or("no span names the gid")?;
        if let Some(other) = traces.next() {
            panic!("{gid} is in the traces {trace_id} and {other}");
        }
        let spans: Vec<&Seen> = seen.iter().filter(|span| span.trace_id == trace_id).collect();
        let by_id: HashMap<&str, &Seen> = spans.iter().map(|span| (span.span_id.as_str(), *span)).collect();
        assert_eq!(by_id.len(), spans.len(), "two spans have the same id");
        let tree = Tree { spans, by_id };
        Ok(tree)
    }

    /// Everything hangs together below one root.
    pub fn joined(&self) -> Result<(), String> {
        let orphan =
            |span: &&&Seen| span.parent.as_deref().is_some_and(|parent| !self.by_id.contains_key(parent));
        if let Some(orphan) = self.spans.iter().find(orphan) {
            return Err(format!("the parent of {} of {} is missing", orphan.name, orphan.service));
        }
        let roots: Vec<&str> = self.roots().map(|root| root.name.as_str()).collect();
        if roots.len() == 1 { Ok(()) } else { Err(format!("the roots are {roots:?}")) }
    }

    /// Spans that begin it: one, if it is whole.
    pub fn roots(&self) -> impl Iterator<Item = &'a Seen> {
        self.spans.iter().copied().filter(|span| span.parent.is_none())
    }

    /// Where it begins.
    pub fn root(&self) -> &'a Seen {
        self.roots().next().unwrap()
    }

    /// Spans of that name.
    pub fn named(&self, name: &str) -> Vec<&'a Seen> {
        self.spans.iter().copied().filter(|span| span.name == name).collect()
    }

    /// The span above, if it was sent.
    pub fn parent(&self, of: &Seen) -> Option<&'a Seen> {
        self.by_id.get(of.parent.as_deref()?).copied()
    }

    /// Spans right below.
    fn below(&self, above: &Seen) -> Vec<&'a Seen> {
        let is_below = |span: &&Seen| span.parent.as_ref() == Some(&above.span_id);
        self.spans.iter().copied().filter(is_below).collect()
    }

    /// The span of a global transaction itself.
    pub fn transaction(&self) -> Result<&'a Seen, String> {
        let own = self.named("global transaction checkout");
        own.first().copied().ok_or_else(|| "no span of the global transaction itself".to_owned())
    }

    /// All that the history of a checkout tells is in the tree, down to the statements.
    pub fn tells(&self, events: &[Event], coordinator: Coordinator) -> Result<(), String> {
        let transaction = self.transaction()?;
        for attempt in attempts(events) {
            let span = self.attempt(&attempt)?;
            let above = self.parent(span).ok_or("an attempt is a root")?;
            match (coordinator, span.says("amends.op")) {
                // The engine calls tries by itself.
                (Coordinator::Embedded, _) | (Coordinator::Dtm, "try") => assert_eq!(above, transaction),
                (Coordinator::Dtm, op) => {
                    assert_eq!(above.name, "amends.v1.Relay/Run");
                    assert_eq!(above.service, "amends-orchestrator");
                    assert_eq!(
                        (above.says("amends.op"), above.says("amends.branch_id")),
                        (op, span.says("amends.branch_id"))
                    );
                    assert_eq!(self.parent(above), Some(transaction));
                }
            }
            // What is unknown may not have arrived, and who is still at it may have read nothing yet.
            if ["succeeded", "refused"].contains(&span.says("amends.outcome")) {
                self.participant(span)?;
            }
        }
        self.provider()
    }

    fn attempt(&self, (branch_id, op, attempt, outcome): &Attempt) -> Result<&'a Seen, String> {
        let is_it = |span: &&&Seen| {
            [span.says("amends.branch_id"), span.says("amends.op"), span.says("amends.attempt")]
                == [branch_id, op, attempt]
        };
        let span = self.spans.iter().find(is_it).copied();
        let span = span.ok_or_else(|| format!("no span of attempt {attempt} of {op} {branch_id}"))?;
        if let Some(outcome) = outcome {
            assert_eq!(span.says("amends.outcome"), *outcome, "{span:?}");
            assert_eq!(span.failed, ["refused", "unknown"].contains(outcome), "{span:?}");
        }
        Ok(span)
    }

    /// Below an attempt its participant has a span, and below that each of its local transactions.
    fn participant(&self, attempt: &Seen) -> Result<(), String> {
        let service = format!("amends-{}", attempt.says("amends.participant"));
        let answered = self.below(attempt);
        let served = answered.iter().find(|span| span.service == service && span.name == attempt.name);
        let served = served.ok_or_else(|| format!("{service} says nothing of {}", attempt.name))?;
        let reads = |span: &&Seen| span.says("db.query.summary").contains("SELECT");
        let work = self.below(served).into_iter().filter(|span| span.name == "local transaction").find(reads);
        let work =
            work.ok_or_else(|| format!("{service} says nothing of its statements for {}", attempt.name))?;
        assert_eq!(work.says("db.system.name"), "sqlite");
        Ok(())
    }

    /// The gateway's request, the provider's answer, and what the provider wrote.
    fn provider(&self) -> Result<(), String> {
        let asked =
            self.spans.iter().find(|span| span.service == "amends-gateway" && span.name.starts_with("psp "));
        let asked = asked.ok_or("the gateway says nothing of the provider")?;
        let served = self.below(asked);
        let served = served.first().ok_or("the provider says nothing")?;
        assert_eq!(served.service, "amends-psp");
        let work = self.below(served);
        let work = work.iter().find(|span| span.name == "local transaction");
        work.map(|_| ()).ok_or_else(|| "the provider says nothing of its statements".to_owned())
    }

    /// Everything as one text, for people.
    pub fn drawn(&self) -> String {
        let mut text = String::new();
        self.draw(self.root(), 0, &mut text);
        text
    }

    fn draw(&self, span: &Seen, depth: usize, text: &mut String) {
        let facts = ["amends.branch_id", "amends.op", "amends.attempt", "amends.outcome", "db.query.summary"];
        let facts: Vec<&str> =
            facts.map(|name| span.says(name)).into_iter().filter(|fact| !fact.is_empty()).collect();
        let line = format!("{}{} · {} {}\n", "  ".repeat(depth), span.service, span.name, facts.join(" "));
        text.push_str(&line);
        let mut below = self.below(span);
        below.sort_by_key(|span| span.time_ns);
        for span in below {
            self.draw(span, depth + 1, text);
        }
    }
}

/// What history knows of attempts.
pub fn attempts(events: &[Event]) -> Vec<Attempt> {
    let outcome = |event: &Event| match event.kind.as_str() {
        "attempt_succeeded" => Some("succeeded"),
        "attempt_refused" => Some("refused"),
        "attempt_unknown" => Some("unknown"),
        "parked" => Some("in_progress"),
        _ => None,
    };
    let ended = events.iter().filter_map(|event| {
        let attempt = event.attempt.to_string();
        Some((event.branch_id.clone(), event.op.clone(), attempt, Some(outcome(event)?)))
    });
    ended.collect()
}
