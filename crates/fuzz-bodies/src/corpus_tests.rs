//! The corpus gets handlers to do something: whoever starts from inputs that are all refused finds nothing behind that.
//! And what handlers must not do is found.
use crate::host::Host;
use crate::{gateway, handlers, orchestrator};
use amends_serve::store::Store;
use prost_reflect::DescriptorPool;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};

/// On a machine that is busy an answer may come too late for a caller who waits for a moment only. The same again says
/// the same again.
const PASSES: usize = 10;

type Handler = fn(&[u8]) -> Option<Code>;

const HANDLERS: [(&str, &str, Handler); 9] = [
    ("order", "pay.order.v1.OrderService", handlers::order),
    ("account", "pay.account.v1.AccountService", handlers::account),
    ("inventory", "pay.inventory.v1.InventoryService", handlers::inventory),
    ("points", "pay.points.v1.PointsService", handlers::points),
    ("gateway", "pay.gateway.v1.GatewayService", gateway::gateway),
    ("psp", "pay.psp.v1.PspService", handlers::psp),
    ("transactions", "amends.v1.Transactions", orchestrator::transactions),
    ("operations", "amends.v1.Operations", orchestrator::operations),
    ("relay", "amends.v1.Relay", orchestrator::relay),
];

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    let name = |file: &Path| file.file_name().unwrap().to_string_lossy().into_owned();
    files.iter().map(|file| (name(file), std::fs::read(file).unwrap())).collect()
}

/// One test: a panic of any thread is a finding for whoever looks next.
#[test]
fn the_corpus_gets_every_method_to_say_ok_and_a_wrong_server_is_found() {
    every_method_says_ok();
    a_wrong_server_is_found();
}

/// One of the provider's methods each is wrong in its own way.
fn wrong_server() -> Host {
    let made = Host::start("pay.psp.v1.PspService", handlers::PARTICIPANT, async |store: Store| {
        store.migrate::<amends_migrations::psp::Migrator>().await?;
        let file = store.file().ok_or("no file")?.to_owned();
        let answer = move |path: String| {
            let file = file.clone();
            async move {
                match path.rsplit('/').next() {
                    Some("Query") => Status::internal("nobody thought of it"),
                    Some("Sale") => Status::unavailable("x".repeat(9_000)),
                    Some("Reset") => {
                        let ended = tokio::spawn(async { panic!("a task that nobody asks about") }).await;
                        Status::unavailable(format!("{:?}", ended.map_err(|_| "ended")))
                    }
                    Some("Close") => {
                        let row = "INSERT INTO setting (name, value) VALUES (hex(randomblob(8)), '')";
                        let written = Connection::open(&file).and_then(|rows| rows.execute(row, []));
                        Status::invalid_argument(format!("refused, and {written:?}"))
                    }
                    _right => Status::invalid_argument("refused"),
                }
            }
        };
        let service = tower::service_fn(move |request: http::Request<_>| {
            let answered = answer(request.uri().path().to_owned());
            async move { Ok::<_, Infallible>(answered.await.into_http::<Body>()) }
        });
        let router = Routes::default().into_axum_router().fallback_service(service);
        Ok(Routes::from(router))
    });
    made.unwrap()
}

fn a_wrong_server_is_found() {
    let host = wrong_server();
    let finding = |method: u8| host.judged(&[method, 0]);
    let wrong =
        [(2, "a status of"), (5, "nobody thought"), (6, "changed each time"), (8, "nobody asks about")];
    for (method, expected) in wrong {
        let found = finding(method).unwrap_err();
        assert!(found.contains(expected), "{found}");
    }
    assert_eq!(finding(9), Ok(Some(Code::InvalidArgument)));
}

fn every_method_says_ok() {
    let pool = DescriptorPool::decode(amends_proto::DESCRIPTORS).unwrap();
    let mut silent = Vec::new();
    for (target, service, body) in HANDLERS {
        let methods: Vec<String> = pool
            .get_service_by_name(service)
            .unwrap()
            .methods()
            .map(|method| method.name().to_owned())
            .collect();
        let mut well: BTreeSet<&str> = BTreeSet::new();
        for _ in 0..PASSES {
            for (name, data) in corpus(target) {
                let method = &methods[usize::from(data[0]) % methods.len()];
                let code = body(&data);
                println!("{target} {name}: {method} {code:?}");
                if code == Some(Code::Ok) {
                    well.insert(method);
                }
            }
            if well.len() == methods.len() {
                break;
            }
        }
        let missing = methods.iter().filter(|method| !well.contains(method.as_str()));
        silent.extend(missing.map(|method| format!("{service}/{method}")));
    }
    assert_eq!(silent, Vec::<String>::new());
}
