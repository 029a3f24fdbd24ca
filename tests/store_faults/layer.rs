//! The layer below a process that makes calls on its store fail (`layer.c`), and the orders it gets. Knows no service.
use amends_stack::Role;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const SOURCE: &str = include_str!("layer.c");
const ENOSPC: u32 = 28;
const EIO: u32 = 5;
/// In the place of an error number: half is written, and no error is told.
const SHORT_WRITE: u32 = 0;

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    NoSpace,
    Io,
    /// Of a write. Other calls cannot be short: they fail with EIO.
    Short,
}

/// For how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    Once,
    FromThenOn,
}

/// A way to fail.
pub type Way = (Failure, Span);

/// All of them.
pub const WAYS: [Way; 6] = [
    (Failure::NoSpace, Span::Once),
    (Failure::Io, Span::FromThenOn),
    (Failure::Short, Span::Once),
    (Failure::NoSpace, Span::FromThenOn),
    (Failure::Io, Span::Once),
    (Failure::Short, Span::FromThenOn),
];

/// The ways to try at the n-th call: all, or one in turn.
pub fn ways(nth: u32, seed: u64) -> Vec<Way> {
    if crate::thorough() {
        return WAYS.to_vec();
    }
    let turn = (u64::from(nth) + seed % WAYS.len() as u64) % WAYS.len() as u64;
    vec![WAYS[usize::try_from(turn).unwrap()]]
}

/// What one process was told to suffer.
pub struct Orders(File);

impl Orders {
    /// New orders in the file `orders`, for the store of a role in `data_dir`, which is there; and the environment that puts
    /// the layer below its process. The layer does nothing until it gets orders.
    pub fn of(role: Role, data_dir: &Path, orders: &Path) -> (Orders, [(String, String); 3]) {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(orders).unwrap();
        file.write_all_at(&[0; 20], 0).unwrap();
        (Orders(file), environment(role, data_dir, orders))
    }

    /// Lets the n-th call from now on fail.
    pub fn arm(&self, nth: u32, (failure, span): Way) {
        let error = match failure {
            Failure::NoSpace => ENOSPC,
            Failure::Io => EIO,
            Failure::Short => SHORT_WRITE,
        };
        let span: u32 = match span {
            Span::Once => 1,
            Span::FromThenOn => 2,
        };
        let words = [error, nth, 0, 0].map(u32::to_le_bytes).concat();
        self.disarm();
        self.0.write_all_at(&words, 4).unwrap();
        // Last, because it is what the layer looks at first.
        self.0.write_all_at(&span.to_le_bytes(), 0).unwrap();
    }

    /// Lets everything succeed; says how many calls have failed.
    pub fn disarm(&self) -> u32 {
        self.0.write_all_at(&[0; 4], 0).unwrap();
        self.failed()
    }

    /// Calls that have failed since it was armed.
    pub fn failed(&self) -> u32 {
        let mut word = [0; 4];
        self.0.read_exact_at(&mut word, 16).unwrap();
        u32::from_le_bytes(word)
    }
}

/// What a process finds the layer by.
fn environment(role: Role, data_dir: &Path, orders: &Path) -> [(String, String); 3] {
    let store = data_dir.canonicalize().unwrap().join(format!("{role}.db"));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    [
        ("LD_PRELOAD".to_owned(), text(library())),
        ("STORE_FAULTS_ORDERS".to_owned(), text(orders)),
        ("STORE_FAULTS_PREFIX".to_owned(), text(&store)),
    ]
}

/// The built layer. Whoever can link Rust has a C compiler.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("store-faults-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (source, library) = (folder.join("layer.c"), folder.join("layer.so"));
        std::fs::write(&source, SOURCE).unwrap();
        let mut command = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
        command.args(["-std=gnu11", "-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
        let built = command.output().unwrap_or_else(|error| panic!("the C compiler: {error}"));
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        library
    })
}

/// The layer itself, by writes of a shell of which each is one call.
#[test]
fn the_layer_fails_just_what_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let written = |nth: u32, way: Option<Way>| {
        let orders = folder.path().join("orders");
        let (made, environment) = Orders::of(Role::Order, folder.path(), &orders);
        if let Some(way) = way {
            made.arm(nth, way);
        }
        let (store, other) = (folder.path().join("order.db-wal"), folder.path().join("other"));
        let script =
            "exec 3>\"$0\" 4>\"$1\"; for word in aa bb cc; do printf $word >&3; printf $word >&4; done";
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).args([&store, &other]);
        shell.envs(environment).output().unwrap();
        let text = |path| std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(text(&other), "aabbcc", "calls on other files pass");
        (text(&store), made.disarm())
    };
    // The first call is the open.
    assert_eq!(written(0, None), ("aabbcc".to_owned(), 0));
    assert_eq!(written(3, Some((Failure::NoSpace, Span::Once))), ("aacc".to_owned(), 1));
    assert_eq!(written(3, Some((Failure::Io, Span::FromThenOn))), ("aa".to_owned(), 2));
    assert_eq!(written(9, Some((Failure::Io, Span::FromThenOn))), ("aabbcc".to_owned(), 0));
    assert_eq!(written(2, Some((Failure::Short, Span::Once))).1, 1);
}
