//! One server, called in process: the first byte of an input chooses the method, the second who calls and as what, the
//! rest is the message. A panic of whichever thread, an answer that `judge` does not let pass, silence, and a refusal
//! that changed something are findings. Knows no service.
use crate::judge::{Answer, LONGEST, Rules, breach};
use amends_dtm::metadata;
use amends_serve::store::Store;
use bytes::{BufMut as _, BytesMut};
use http::HeaderMap;
use http_body_util::{BodyExt as _, Full};
use prost_reflect::DescriptorPool;
use rusqlite::{Connection, OpenFlags};
use std::borrow::Cow;
use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::codegen::Service as _;
use tonic::service::Routes;
use tonic::{Code, Status};

/// Why a server could not be started.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;
/// A server of a target: started at its first input, and there for all that follow.
pub type Started = LazyLock<Result<Host, Fault>>;

/// What branch calls claim to be; the last two are no branch calls.
const KINDS: [(&str, &str); 7] = [
    ("saga", "action"),
    ("saga", "compensate"),
    ("tcc", "try"),
    ("tcc", "confirm"),
    ("tcc", "cancel"),
    ("none", "none"),
    ("", ""),
];
/// Who calls, as metadata.
const CALLER: &str = "amends-caller";
/// Who that is. Nobody is named by the first.
const CALLERS: [&str; 3] = ["", "ann", "bob"];
/// How long a caller waits for what may take as long as it likes.
const MOMENT: Duration = Duration::from_millis(200);
/// What else goes on in a server may change its store beside a refused request: only what each repeat does counts.
const REPEATS: usize = 4;
const SETTLE: Duration = Duration::from_millis(20);

/// Panics since somebody last looked, of any thread: a task's panic is nobody's but its own otherwise.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn notice_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // The fuzzer's own hook ends the process: it goes on doing so.
        let earlier = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            lock(&PANICS).push(panic.to_string());
            earlier(panic);
        }));
    });
}

/// What the second byte says.
#[derive(Debug, Clone, Copy)]
pub struct Words(u8);

impl Words {
    /// Of an input; nothing special where there is none.
    pub fn of(data: &[u8]) -> Words {
        Words(data.get(1).copied().unwrap_or_default())
    }

    fn kind(self) -> (&'static str, &'static str) {
        KINDS[usize::from(self.0) % KINDS.len()]
    }

    fn caller(self) -> &'static str {
        CALLERS[usize::from(self.0) / KINDS.len() % CALLERS.len()]
    }

    /// Few gids, so that calls meet what earlier ones have left.
    fn gid(self) -> String {
        gid(self.0 / 32)
    }

    /// Where a target has two servers, whether this is for the second.
    pub fn second(self) -> bool {
        self.0 % 2 == 1
    }
}

/// A gid of which there are few.
pub fn gid(number: u8) -> String {
    format!("0192d3c4-5b6a-7f01-8abc-0123456789a{number:x}")
}

/// One server, and where its rows are.
pub struct Host {
    runtime: Runtime,
    routes: Mutex<Routes>,
    methods: Vec<String>,
    rules: Rules,
    rows: Mutex<Connection>,
    _folder: TempDir,
}

impl Host {
    /// Starts what `make` makes over a new store; the methods are those of `service`.
    ///
    /// # Errors
    /// As `make` has it, and where there is no such service or no room for a store.
    pub fn start(
        service: &str,
        rules: Rules,
        make: impl AsyncFnOnce(Store) -> Result<Routes, Fault>,
    ) -> Result<Host, Fault> {
        notice_panics();
        let pool = DescriptorPool::decode(amends_proto::DESCRIPTORS)?;
        let described = pool.get_service_by_name(service).ok_or("no such service")?;
        let methods = described.methods().map(|method| format!("/{service}/{}", method.name())).collect();
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("fuzz.db");
        let runtime = Runtime::new()?;
        let routes = runtime.block_on(async {
            let store = Store::open(&format!("sqlite://{}", file.display())).await?;
            make(store).await
        })?;
        let rows = Mutex::new(read_only(&file)?);
        Ok(Host { runtime, routes: Mutex::new(routes), methods, rules, rows, _folder: folder })
    }

    /// The method of an input.
    pub fn path(&self, data: &[u8]) -> &str {
        &self.methods[data.first().map_or(0, |byte| usize::from(*byte)) % self.methods.len()]
    }

    /// One number of the store.
    pub fn number(&self, sql: &str) -> i64 {
        let asked = lock(&self.rows).query_row(sql, [], |row| row.get(0));
        asked.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Makes the call that `data` stands for, and says how it was answered; none where it is none, or the caller went
    /// away before there was an answer.
    ///
    /// # Panics
    /// Something is wrong with the server.
    pub fn call(&self, data: &[u8]) -> Option<Code> {
        self.judged(data).unwrap_or_else(|finding| panic!("{}: {finding}", self.path(data)))
    }

    /// As [`Host::call`]; what is wrong is the error.
    pub fn judged(&self, data: &[u8]) -> Result<Option<Code>, String> {
        let [_, _, message @ ..] = data else { return Ok(None) };
        let (path, words, message) = (self.path(data), Words::of(data), self.filled_in(message));
        let before = self.number(self.rules.book);
        let answer = self.answer(path, words, &message);
        let panics = std::mem::take(&mut *lock(&PANICS));
        if !panics.is_empty() {
            return Err(format!("{panics:?}"));
        }
        let Some(answer) = answer? else { return Ok(None) };
        if let Some(breach) = breach(&self.rules, &answer) {
            return Err(breach);
        }
        let refused = self.rules.changed_nothing.contains(&answer.code());
        if refused && self.changes(before, || drop(self.answer(path, words, &message))) {
            return Err(format!("refused, and something is changed each time: {:?}", answer.status));
        }
        Ok(Some(answer.code()))
    }

    /// Whether each repeat changes something, the first one since `before`.
    fn changes(&self, mut before: i64, repeat: impl Fn()) -> bool {
        for _ in 0..REPEATS {
            if self.number(self.rules.book) == before {
                return false;
            }
            std::thread::sleep(SETTLE);
            before = self.number(self.rules.book);
            repeat();
        }
        self.number(self.rules.book) != before
    }

    /// The message with the newest id in place of the word for it, of which it has the length.
    fn filled_in<'a>(&self, message: &'a [u8]) -> Cow<'a, [u8]> {
        let Some((word, sql)) = self.rules.newest else { return Cow::Borrowed(message) };
        let Some(place) = message.windows(word.len()).position(|part| part == word.as_bytes()) else {
            return Cow::Borrowed(message);
        };
        let newest: Option<String> = lock(&self.rows).query_row(sql, [], |row| row.get(0)).ok();
        let mut filled = message.to_vec();
        if let Some(newest) = newest.filter(|newest| newest.len() == word.len()) {
            filled[place..place + word.len()].copy_from_slice(newest.as_bytes());
        }
        Cow::Owned(filled)
    }

    /// None where the caller went away.
    fn answer(&self, path: &str, words: Words, message: &[u8]) -> Result<Option<Answer>, String> {
        let request = request(path, words, message);
        let mut routes = lock(&self.routes).clone();
        let waits = self.rules.waits.iter().any(|name| path.rsplit('/').next() == Some(name));
        let whole = async {
            let Ok(response) = routes.call(request).await;
            whole(response).await
        };
        let patience = if waits { MOMENT } else { LONGEST };
        let answer = self.runtime.block_on(async { tokio::time::timeout(patience, whole).await.ok() });
        match answer {
            None if !waits => Err(format!("no answer within {LONGEST:?}")),
            answer => Ok(answer),
        }
    }
}

/// Sees what others commit, and changes nothing.
fn read_only(file: &Path) -> rusqlite::Result<Connection> {
    let rows = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    rows.busy_timeout(LONGEST)?;
    Ok(rows)
}

fn request(path: &str, words: Words, message: &[u8]) -> http::Request<tonic::body::Body> {
    let ((trans_type, op), gid) = (words.kind(), words.gid());
    let mut body = BytesMut::with_capacity(message.len() + 5);
    body.put_u8(0);
    body.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    body.put_slice(message);
    let body = tonic::body::Body::new(Full::new(body.freeze()));
    let mut request = http::Request::new(body);
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = path.parse().unwrap_or_default();
    let headers = [
        ("content-type", "application/grpc"),
        (CALLER, words.caller()),
        (metadata::GID, gid.as_str()),
        (metadata::BRANCH_ID, "01"),
        (metadata::TRANS_TYPE, trans_type),
        (metadata::OP, op),
    ];
    for (name, value) in headers {
        let unnamed = name == CALLER && value.is_empty();
        if let Some(value) = value.parse().ok().filter(|_| !unnamed) {
            request.headers_mut().insert(name, value);
        }
    }
    request
}

/// The status, wherever it is, and how much came before it.
async fn whole(response: http::Response<tonic::body::Body>) -> Answer {
    let of = |headers: &HeaderMap| Status::from_header_map(headers);
    let (head, body) = response.into_parts();
    if let Some(status) = of(&head.headers) {
        return Answer { status: ok_or(status), bytes: 0 };
    }
    let body = match body.collect().await {
        Ok(body) => body,
        Err(status) => return Answer { status: Err(status), bytes: 0 },
    };
    let status = body.trailers().and_then(of).unwrap_or_else(|| Status::unknown("no status"));
    Answer { status: ok_or(status), bytes: body.to_bytes().len() }
}

fn ok_or(status: Status) -> Result<(), Status> {
    if status.code() == Code::Ok { Ok(()) } else { Err(status) }
}
