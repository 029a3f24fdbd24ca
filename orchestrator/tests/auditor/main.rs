//! The auditor beside the real DTM server, before a participant that loses its rows on purpose.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../deeds/world.rs"]
#[allow(dead_code, reason = "shared with the engine's own tests, which use all of it")]
mod world;

mod guarded;

mod acknowledged;
mod budget;
mod coordinator;
mod participants;

use amends_orchestrator::engine::{AuditSettings, Auditor, Live, Progress};
use amends_orchestrator::history::{Attention, Scope, State, Status};
use amends_orchestrator::plan::{Mode, Plan};
use guarded::Guarded;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use world::{PATIENCE, World};

/// Short, so that a test sees many passes.
const SETTINGS: AuditSettings = AuditSettings {
    interval: Duration::from_millis(150),
    patience: Duration::from_millis(200),
    calls_per_second: NonZeroU32::new(500).unwrap(),
};

/// Passes within which whatever can be found is found twice, and its patience is over.
const ENOUGH: u64 = 8;

/// An orchestrator with its auditor before one participant.
struct Audited {
    world: World,
    guarded: Guarded,
    progress: watch::Receiver<Progress>,
}

impl Audited {
    async fn start() -> Audited {
        Audited::with(SETTINGS).await
    }

    async fn with(settings: AuditSettings) -> Audited {
        let guarded = Guarded::start().await;
        let world = World::start_before(guarded.address.to_string()).await;
        let progress = audit(&world, settings).await;
        Audited { world, guarded, progress }
    }

    /// The orchestrator dies and comes back, and so does its auditor.
    async fn restart(&mut self) {
        self.world.restart_orchestrator().await;
        self.progress = audit(&self.world, SETTINGS).await;
    }

    /// One that has ended so.
    async fn ended(&self, mode: Mode, steps: usize, status: Status) -> Arc<Live> {
        let live = self.world.go(self.plan(mode, steps, None)).await;
        assert_eq!(self.world.end(&live.base().gid).await, status);
        live
    }

    fn plan(&self, mode: Mode, steps: usize, pivot: Option<usize>) -> Plan {
        let mut body = self.world.plan(mode, steps, pivot, 0).body().clone();
        for step in &mut body.steps {
            step.payload = vec![8, 7].into();
        }
        Plan::new(body).unwrap()
    }

    /// So many passes more.
    async fn passes(&mut self, more: u64) -> Progress {
        let wanted = self.progress.borrow().passes + more;
        let patience = PATIENCE * 4;
        let passed = timeout(patience, self.progress.wait_for(|progress| progress.passes >= wanted)).await;
        *passed.expect("the auditor goes on").unwrap()
    }

    /// Its open disagreement, once there is one.
    async fn disagreement(&self, live: &Live) -> Attention {
        let state = timeout(PATIENCE, live.until(|state| !state.attention.is_empty())).await;
        let state = state.expect("it is noticed");
        assert_eq!(state.attention[0].cause, "disagreement");
        assert!(self.is_listed(live).await, "whoever lists what needs a person sees it");
        state.attention[0].clone()
    }

    /// Until its open disagreement is this.
    async fn disagreement_is(&self, live: &Live, text: &str) {
        let says = |state: &State| state.attention.iter().any(|open| open.text == text);
        let said = timeout(PATIENCE, live.until(says)).await;
        assert!(said.is_ok(), "not {text}, but {:?}", live.state().attention);
    }

    /// Once all agree again.
    async fn agreement(&self, live: &Live) {
        let over = timeout(PATIENCE, live.until(|state| state.attention.is_empty())).await;
        assert!(over.is_ok(), "{:?}", live.state().attention);
        assert!(!self.is_listed(live).await);
    }

    async fn is_listed(&self, live: &Live) -> bool {
        let reader = &self.world.engine.history().reader;
        reader.attention_gids(&Scope::All, 100).await.unwrap().contains(&live.base().gid)
    }

    /// What was recorded after the end.
    async fn epilogue(&self, live: &Live) -> String {
        let kinds = self.world.kinds(&live.base().gid).await;
        let end = kinds.iter().position(|kind| kind == "finished").unwrap();
        kinds[end + 1..].join(" ")
    }
}

async fn audit(world: &World, settings: AuditSettings) -> watch::Receiver<Progress> {
    let engine = Arc::clone(&world.engine);
    let begin = async move {
        let auditor = Auditor::new(engine, settings);
        let progress = auditor.progress();
        tokio::spawn(auditor.run());
        progress
    };
    world.within(begin).await
}

/// What a disagreement about one op that was made good leaves behind.
const MADE_GOOD: &str = "attention_opened attempt_started attempt_succeeded attention_closed";
