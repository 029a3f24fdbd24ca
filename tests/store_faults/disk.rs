//! A disk that can be filled: a small file system in memory that only this process and its children see. Where none may be
//! mounted, the layer below our processes says the same of every store. Knows no service.
use crate::layer::{Failure, Orders, Span};
use crate::world::STORES;
use amends_stack::StackConfig;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the mounted disk is, for the process that the test runs itself in.
const MOUNTED: &str = "STORE_FAULTS_DISK";
/// Room on it. A system takes some MiB at first.
const SIZE: &str = "192m";
const BLOCK: usize = 1 << 20;
const PAGE: usize = 4_096;
/// Mounts the disk, and becomes the test.
const SCRIPT: &str = "mount -t tmpfs -o size=\"$1\" tmpfs \"$0\" && shift && exec \"$@\"";

/// A disk.
pub enum Disk {
    /// A real one, of its own.
    Own { folder: PathBuf, ballast: Option<File> },
    /// One that only seems full.
    Seeming { folder: PathBuf, orders: Vec<Orders>, full: bool },
}

/// What became of the wish for a disk.
pub enum Wish {
    /// Here it is.
    Granted(Disk),
    /// The test was run by a process that has one, and passed there.
    Done,
}

/// A disk for the test of this name (as the test program lists it), below `folder`.
///
/// # Panics
/// If the test failed where it was run.
pub fn wish(test: &str, folder: &Path) -> Wish {
    if let Some(mounted) = std::env::var_os(MOUNTED) {
        return Wish::Granted(Disk::Own { folder: mounted.into(), ballast: None });
    }
    let disk = folder.join("disk");
    std::fs::create_dir(&disk).unwrap();
    let probe = with_mounts(&disk).arg("true").output();
    if !probe.is_ok_and(|told| told.status.success()) {
        crate::tell("this machine mounts nothing: the stores are told that the disk is full, DTM is not");
        return Wish::Granted(Disk::Seeming { folder: disk, orders: Vec::new(), full: false });
    }
    let mut again = with_mounts(&disk);
    again.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]).env(MOUNTED, &disk);
    let told = again.status().unwrap();
    assert!(told.success(), "{test} failed where it has a disk: {told}");
    Wish::Done
}

/// A command line, still without its end, that runs in a namespace of its own with the disk mounted.
fn with_mounts(at: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["sh", "-c", SCRIPT]).arg(at).arg(SIZE);
    command
}

impl Disk {
    /// Puts what is needed below the stores of a system that will keep everything in `data`, which is there.
    pub fn below(&mut self, config: StackConfig, data: &Path, orders_folder: &Path) -> StackConfig {
        let Disk::Seeming { orders, .. } = self else { return config };
        STORES.into_iter().fold(config, |config, role| {
            let (its, environment) = Orders::of(role, data, &orders_folder.join(format!("{role}.orders")));
            orders.push(its);
            environment.into_iter().fold(config, |config, (name, value)| config.env(role, name, value))
        })
    }

    /// Where to keep what is to feel it.
    pub fn folder(&self) -> &Path {
        match self {
            Disk::Own { folder, .. } | Disk::Seeming { folder, .. } => folder,
        }
    }

    /// Takes all the room that is left, and what has become free since.
    pub fn fill(&mut self) {
        match self {
            Disk::Own { folder, ballast } => {
                let open = || File::options().create(true).append(true).open(folder.join("ballast")).unwrap();
                let ballast = ballast.get_or_insert_with(open);
                for size in [BLOCK, PAGE, 1] {
                    let block = vec![0x5a; size];
                    while ballast.write_all(&block).is_ok() {}
                }
            }
            Disk::Seeming { full: true, .. } => {}
            Disk::Seeming { orders, full, .. } => {
                orders.iter().for_each(|orders| orders.arm(1, (Failure::NoSpace, Span::FromThenOn)));
                *full = true;
            }
        }
    }

    /// Gives all of it back.
    pub fn free(&mut self) {
        match self {
            Disk::Own { folder, ballast } => {
                *ballast = None;
                std::fs::remove_file(folder.join("ballast")).unwrap();
            }
            Disk::Seeming { orders, full, .. } => {
                for orders in orders {
                    orders.disarm();
                }
                *full = false;
            }
        }
    }
}
