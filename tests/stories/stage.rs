//! The stage on which all stories are played: for each coordinator one running system for all of them, and another for
//! those that kill processes. Knows no story.
#![allow(clippy::needless_pass_by_value, reason = "a story is a closure that is written where it is passed")]
use amends_testkit::{Coordinator, World, WorldConfig};
use futures::{FutureExt as _, StreamExt as _};
use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

/// Cases of one story that are played at the same time.
const AT_ONCE: usize = 8;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime for the stories"));
static SHARED: Stage = Stage { name: "shared", slots: [const { Mutex::const_new(Slot::Dark) }; 2] };
static ALONE: Stage = Stage { name: "alone", slots: [const { Mutex::const_new(Slot::Dark) }; 2] };
static PLAYING: AtomicUsize = AtomicUsize::new(0);

/// Every story is played on each of them, unless it is about DTM itself.
const COORDINATORS: [Coordinator; 2] = [Coordinator::Dtm, Coordinator::Embedded];

/// One world for each coordinator.
struct Stage {
    name: &'static str,
    slots: [Mutex<Slot>; 2],
}

/// A world that is started when it is first needed.
enum Slot {
    Dark,
    Broken,
    Lit(Arc<World>),
}

impl Stage {
    fn slot(&self, coordinator: Coordinator) -> &Mutex<Slot> {
        match coordinator {
            Coordinator::Dtm => &self.slots[0],
            Coordinator::Embedded => &self.slots[1],
        }
    }

    fn config(&self, coordinator: Coordinator) -> WorldConfig {
        let folder = folder().join(format!("{}-{coordinator}", self.name));
        WorldConfig::new(env!("CARGO_BIN_EXE_amends"), folder, coordinator)
    }
}

impl Slot {
    async fn light(&mut self, config: impl FnOnce() -> WorldConfig) -> Arc<World> {
        match self {
            Slot::Lit(world) => Arc::clone(world),
            Slot::Broken => panic!("the system could not be started, see the first failure"),
            Slot::Dark => {
                *self = Slot::Broken;
                let world = Arc::new(World::start(&config()).await);
                *self = Slot::Lit(Arc::clone(&world));
                world
            }
        }
    }
}

/// Counts a story while it is played, however it ends.
struct Playing;

impl Playing {
    fn begin() -> Playing {
        PLAYING.fetch_add(1, Ordering::SeqCst);
        Playing
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        PLAYING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Plays a story on each coordinator, in worlds that all share; its own shops are its own affair.
pub fn story(play: impl AsyncFn(&World)) {
    each(&COORDINATORS, async |coordinator| shared(coordinator, &play).await);
}

/// Plays a story about DTM itself in the shared world that has one.
pub fn story_of_dtm(play: impl AsyncFn(&World)) {
    each(&[Coordinator::Dtm], async |coordinator| shared(coordinator, &play).await);
}

/// Plays a story on each coordinator, in worlds where processes may be killed: one at a time.
pub fn alone(play: impl AsyncFn(&World)) {
    each(&COORDINATORS, async |coordinator| undisturbed(coordinator, &play).await);
}

/// Plays a story in which DTM itself is killed.
pub fn alone_with_dtm(play: impl AsyncFn(&World)) {
    each(&[Coordinator::Dtm], async |coordinator| undisturbed(coordinator, &play).await);
}

/// One after the other; a failure says on which.
fn each(coordinators: &[Coordinator], play: impl AsyncFn(Coordinator)) {
    RUNTIME.block_on(async {
        let _playing = Playing::begin();
        for coordinator in coordinators {
            if let Err(panic) = AssertUnwindSafe(play(*coordinator)).catch_unwind().await {
                eprintln!("^^^ on the coordinator {coordinator}");
                std::panic::resume_unwind(panic);
            }
        }
    });
}

async fn shared(coordinator: Coordinator, play: &impl AsyncFn(&World)) {
    let world = SHARED.slot(coordinator).lock().await.light(|| SHARED.config(coordinator)).await;
    play(&world).await;
}

async fn undisturbed(coordinator: Coordinator, play: &impl AsyncFn(&World)) {
    let mut slot = ALONE.slot(coordinator).lock().await;
    let world = slot.light(|| ALONE.config(coordinator).patient()).await;
    for role in world.stack().roles() {
        if world.stack().pid(role).is_none() {
            world.stack().restart(role).await.expect("an earlier story left a process down");
        }
    }
    play(&world).await;
}

/// Plays all cases, some at a time; fails at the end if any failed, naming them.
pub async fn all<C: Display>(cases: impl IntoIterator<Item = C>, play: impl AsyncFn(C)) {
    let play = &play;
    let outcomes = futures::stream::iter(cases).map(|case| async move {
        let title = case.to_string();
        let outcome = AssertUnwindSafe(play(case)).catch_unwind().await;
        outcome.err().map(|_| {
            eprintln!("^^^ {title}");
            title
        })
    });
    let failed: Vec<String> =
        outcomes.buffer_unordered(AT_ONCE).filter_map(async |title| title).collect().await;
    assert!(failed.is_empty(), "{} cases failed:\n{}", failed.len(), failed.join("\n"));
}

/// When every story is over: judges everything, then ends all processes.
pub fn curtain(judge: impl AsyncFn(&World)) {
    RUNTIME.block_on(async {
        let end = tokio::time::Instant::now() + Duration::from_secs(300);
        while PLAYING.load(Ordering::SeqCst) > 0 {
            assert!(tokio::time::Instant::now() < end, "stories are still being played");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for slot in SHARED.slots.iter().chain(&ALONE.slots) {
            let Slot::Lit(world) = std::mem::replace(&mut *slot.lock().await, Slot::Broken) else { continue };
            let judged = AssertUnwindSafe(judge(&world)).catch_unwind().await;
            if let Some(world) = Arc::into_inner(world) {
                world.stop().await;
            }
            if let Err(panic) = judged {
                std::panic::resume_unwind(panic);
            }
        }
        // The folder stays if anything failed before: its logs tell why.
        std::fs::remove_dir_all(folder()).ok();
    });
}

/// The stories' own folder; those of earlier runs that are over are removed.
fn folder() -> PathBuf {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let all = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        for entry in std::fs::read_dir(&all).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(pid) = name.strip_prefix("stories-")
                && !PathBuf::from("/proc").join(pid).exists()
            {
                std::fs::remove_dir_all(entry.path()).ok();
            }
        }
        all.join(format!("stories-{}", std::process::id()))
    });
    FOLDER.clone()
}
