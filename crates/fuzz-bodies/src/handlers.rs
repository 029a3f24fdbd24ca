//! Handlers of participants, called in process over a store of their own: the first byte chooses the method, the second
//! the metadata, the rest is the message. A panic, UNKNOWN, or an INTERNAL that no contract names is a finding.
use amends_dtm::metadata;
use amends_participant::{BranchAuth, Guard, SystemClock};
use amends_serve::store::Store;
use bytes::{BufMut as _, BytesMut};
use http::HeaderMap;
use http_body_util::{BodyExt as _, Full};
use prost_reflect::DescriptorPool;
use std::sync::{Arc, LazyLock, Mutex};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::codegen::Service as _;
use tonic::service::Routes;
use tonic::{Code, Status};

/// What branch calls claim to be; the last two are no branch calls.
const WORDS: [(&str, &str); 7] = [
    ("saga", "action"),
    ("saga", "compensate"),
    ("tcc", "try"),
    ("tcc", "confirm"),
    ("tcc", "cancel"),
    ("none", "none"),
    ("", ""),
];
/// What the gRPC library says of a message that cannot be read; the frame of a process makes INVALID_ARGUMENT of it.
const UNREADABLE: &str = "failed to decode Protobuf message";

/// One participant, and where its rows are.
struct Host {
    runtime: Runtime,
    routes: Mutex<Routes>,
    methods: Vec<String>,
    _folder: TempDir,
}

type Made = Result<Host, Box<dyn std::error::Error + Send + Sync>>;

macro_rules! host {
    ($name:ident, $service:literal, $migrator:ty, $routes:path) => {
        #[doc = concat!("Methods of `", $service, "`.")]
        pub fn $name(data: &[u8]) {
            static HOST: LazyLock<Made> = LazyLock::new(|| {
                Host::start($service, async |store: &Store| store.migrate::<$migrator>().await, $routes)
            });
            match &*HOST {
                Ok(host) => host.call(data),
                Err(error) => panic!("{} cannot be started: {error}", $service),
            }
        }
    };
}

host!(order, "pay.order.v1.OrderService", amends_migrations::order::Migrator, amends_order::routes);
host!(account, "pay.account.v1.AccountService", amends_migrations::account::Migrator, amends_account::routes);
host!(
    inventory,
    "pay.inventory.v1.InventoryService",
    amends_migrations::inventory::Migrator,
    amends_inventory::routes
);
host!(points, "pay.points.v1.PointsService", amends_migrations::points::Migrator, amends_points::routes);

impl Host {
    fn start<E: std::error::Error + Send + Sync + 'static>(
        service: &str,
        migrate: impl AsyncFnOnce(&Store) -> Result<(), E>,
        routes: fn(Store, Guard) -> Routes,
    ) -> Made {
        let pool = DescriptorPool::decode(amends_proto::DESCRIPTORS)?;
        let described = pool.get_service_by_name(service).ok_or("no such service")?;
        let methods = described.methods().map(|method| format!("/{service}/{}", method.name())).collect();
        let folder = tempfile::tempdir()?;
        let runtime = Runtime::new()?;
        let url = format!("sqlite://{}", folder.path().join("fuzz.db").display());
        let routes = runtime.block_on(async {
            let store = Store::open(&url).await?;
            migrate(&store).await?;
            let guard = Guard::new(store.clone(), BranchAuth::Off, Arc::new(SystemClock));
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(routes(store, guard))
        })?;
        Ok(Host { runtime, routes: Mutex::new(routes), methods, _folder: folder })
    }

    fn call(&self, data: &[u8]) {
        let [method, words, message @ ..] = data else { return };
        let path = &self.methods[usize::from(*method) % self.methods.len()];
        let request = request(path, *words, message);
        let mut routes = self.routes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let status = self.runtime.block_on(async {
            let response = routes.call(request).await.map_err(|error| Status::unknown(error.to_string()))?;
            answered(response).await
        });
        if let Err(status) = status {
            let by_contract = status.code() == Code::Internal && !status.details().is_empty();
            let broken = by_contract && status.message().starts_with("BROKEN");
            let unreadable = status.message().starts_with(UNREADABLE);
            let defect =
                matches!(status.code(), Code::Internal | Code::Unknown) && !by_contract && !unreadable;
            assert!(!defect && !broken, "{path}: {status:?}");
        }
    }
}

fn request(path: &str, words: u8, message: &[u8]) -> http::Request<tonic::body::Body> {
    let (trans_type, op) = WORDS[usize::from(words) % WORDS.len()];
    // Few gids, so that calls meet what earlier ones have left.
    let gid = format!("0192d3c4-5b6a-7f01-8abc-0123456789a{}", words / 32);
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
        (metadata::GID, gid.as_str()),
        (metadata::BRANCH_ID, "01"),
        (metadata::TRANS_TYPE, trans_type),
        (metadata::OP, op),
    ];
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            request.headers_mut().insert(name, value);
        }
    }
    request
}

/// The status, wherever it is.
async fn answered(response: http::Response<tonic::body::Body>) -> Result<(), Status> {
    let of = |headers: &HeaderMap| Status::from_header_map(headers);
    let (head, body) = response.into_parts();
    let status = match of(&head.headers) {
        Some(status) => Some(status),
        None => body.collect().await?.trailers().and_then(of),
    };
    match status {
        Some(status) if status.code() == Code::Ok => Ok(()),
        Some(status) => Err(status),
        None => Err(Status::unknown("no status")),
    }
}
