//! The stage on which all stories are played: one running system for all of them, and another for those that kill
//! processes. Knows no story.
use amends_testkit::{World, WorldConfig};
use futures::{FutureExt as _, StreamExt as _};
use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

/// Cases of one story that are played at the same time.
const AT_ONCE: usize = 8;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime for the stories"));
static SHARED: Mutex<Slot> = Mutex::const_new(Slot::Dark);
static ALONE: Mutex<Slot> = Mutex::const_new(Slot::Dark);
static PLAYING: AtomicUsize = AtomicUsize::new(0);

/// A world that is started when it is first needed.
enum Slot {
    Dark,
    Broken,
    Lit(Arc<World>),
}

impl Slot {
    async fn light(&mut self, config: impl FnOnce(PathBuf) -> WorldConfig) -> Arc<World> {
        match self {
            Slot::Lit(world) => Arc::clone(world),
            Slot::Broken => panic!("the system could not be started, see the first failure"),
            Slot::Dark => {
                *self = Slot::Broken;
                let world = Arc::new(World::start(&config(folder())).await);
                *self = Slot::Lit(Arc::clone(&world));
                world
            }
        }
    }
}

fn config(folder: &Path, name: &str) -> WorldConfig {
    WorldConfig::new(env!("CARGO_BIN_EXE_amends"), folder.join(name))
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

/// Plays a story in the world that all share; its own shops are its own affair.
pub fn story(play: impl AsyncFnOnce(&World)) {
    RUNTIME.block_on(async {
        let _playing = Playing::begin();
        let world = SHARED.lock().await.light(|folder| config(&folder, "shared")).await;
        play(&world).await;
    });
}

/// Plays a story in the world where processes may be killed: one at a time.
pub fn alone(play: impl AsyncFnOnce(&World)) {
    RUNTIME.block_on(async {
        let _playing = Playing::begin();
        let mut slot = ALONE.lock().await;
        let world = slot.light(|folder| config(&folder, "alone").patient()).await;
        for role in amends_stack::Role::ALL {
            if world.stack().pid(role).is_none() {
                world.stack().restart(role).await.expect("an earlier story left a process down");
            }
        }
        play(&world).await;
    });
}

/// Plays all cases, some at a time; fails at the end if any failed, naming them.
#[allow(clippy::needless_pass_by_value)] // a closure is written where it is passed
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
#[allow(clippy::needless_pass_by_value)] // a closure is written where it is passed
pub fn curtain(judge: impl AsyncFn(&World)) {
    RUNTIME.block_on(async {
        let end = tokio::time::Instant::now() + Duration::from_secs(300);
        while PLAYING.load(Ordering::SeqCst) > 0 {
            assert!(tokio::time::Instant::now() < end, "stories are still being played");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for slot in [&SHARED, &ALONE] {
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
