//! A system in miniature: each deed is written into the history before anything happens, then into a participant, then
//! its outcome into the history; another writes a request, has it carried out by the provider, and writes the answer.
use crate::folder::{Folder, open};
use amends_backup::StoreName;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Scope;

/// Who plans, who acts for it, and the words for plan, act and outcome.
type Chain = (StoreName, StoreName, [&'static str; 3]);

const CHAINS: [Chain; 3] = [
    (StoreName::Orchestrator, StoreName::Order, ["started", "done", "succeeded"]),
    (StoreName::Orchestrator, StoreName::Points, ["begun", "given", "recorded"]),
    (StoreName::Gateway, StoreName::Psp, ["request", "charge", "answer"]),
];

/// Writers that go on until they are told to stop.
#[derive(Default)]
pub struct Writers {
    number: AtomicU64,
    over: AtomicBool,
}

impl Writers {
    pub fn start<'scope>(&'scope self, folder: &'scope Folder, scope: &'scope Scope<'scope, '_>) {
        for chain in CHAINS {
            for _ in 0..2 {
                scope.spawn(move || self.write(folder, chain));
            }
        }
    }

    pub fn stop(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// How many deeds were begun.
    pub fn begun(&self) -> u64 {
        self.number.load(Ordering::SeqCst)
    }

    fn write(&self, folder: &Folder, (plans, acts, words): Chain) {
        let (planner, actor) = (folder.store(plans), folder.store(acts));
        while !self.over.load(Ordering::SeqCst) {
            let number = self.number.fetch_add(1, Ordering::SeqCst);
            note(&planner, number, words[0]);
            note(&actor, number, words[1]);
            note(&planner, number, words[2]);
        }
    }
}

fn note(store: &Connection, number: u64, what: &str) {
    let number = i64::try_from(number).unwrap();
    store.execute("INSERT INTO note VALUES (?1, ?2)", (number, what)).unwrap();
}

/// Deeds in a set of stores that no crash could have left so.
pub fn breaches(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for (plans, acts, words) in CHAINS {
        let of = |store: StoreName, what: &str| notes(&open(&folder.join(store.file())), what);
        let (planned, acted, ended) = (of(plans, words[0]), of(acts, words[1]), of(plans, words[2]));
        found.extend(
            acted.difference(&planned).map(|deed| format!("{acts} has {deed}, {plans} never heard of it")),
        );
        found.extend(
            ended.difference(&acted).map(|deed| format!("{acts} lacks {deed}, {plans} says it is done")),
        );
    }
    found
}

fn notes(store: &Connection, what: &str) -> BTreeSet<i64> {
    let mut statement = store.prepare("SELECT number FROM note WHERE what = ?1").unwrap();
    statement.query_map([what], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}
