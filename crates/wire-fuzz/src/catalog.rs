//! What can be called: every method of the descriptor set that is attacked, and what kind of call it is. Knows no
//! address and no message of its own.
use prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor};

/// Services that nobody of ours serves in a running system: the DTM server's, and the benchmark's.
const NOT_OURS: [&str; 2] = ["dtmgimp.Dtm", "amends.v1.Noop"];
/// Methods whose right use ends the test: the simulated provider forgets its books, or breaks when it is told to.
const NOT_CALLED: [&str; 2] = ["pay.psp.v1.PspService/Reset", "pay.psp.v1.PspService/Script"];
/// What every port serves besides; there are no descriptors of them here, so they get bytes.
const OF_EVERY_PORT: [&str; 3] = [
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/Watch",
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
];

/// How a call is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A branch op: kind of the global transaction and op, as the metadata names them.
    Branch(&'static str, &'static str),
    /// The relay's `Run`, which stands for every op but `try`.
    Relay,
    /// Anything else.
    Direct,
}

impl Kind {
    /// A call on behalf of a global transaction.
    #[must_use]
    pub fn is_branch(self) -> bool {
        !matches!(self, Kind::Direct)
    }
}

/// One method.
#[derive(Debug, Clone)]
pub struct Method {
    /// `package.Service/Method`.
    pub path: String,
    /// What it takes.
    pub input: MessageDescriptor,
    /// How it is called.
    pub kind: Kind,
    /// Its answer is a stream, which may have no end.
    pub streams: bool,
}

impl Method {
    /// `package.Service`.
    #[must_use]
    pub fn service(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }
}

/// Every method that is attacked.
#[derive(Debug, Clone)]
pub struct Catalog {
    pool: DescriptorPool,
    methods: Vec<Method>,
}

/// The descriptor set is not one.
#[derive(Debug, thiserror::Error)]
#[error("the descriptor set of our messages cannot be read: {0}")]
pub struct CatalogError(String);

impl Catalog {
    /// Reads our descriptor set.
    ///
    /// # Errors
    /// It is broken.
    pub fn read() -> Result<Catalog, CatalogError> {
        let broken = |error: &dyn std::fmt::Display| CatalogError(error.to_string());
        let pool = DescriptorPool::decode(amends_proto::DESCRIPTORS).map_err(|error| broken(&error))?;
        let ours = pool.services().filter(|service| !NOT_OURS.contains(&service.full_name()));
        let mut methods: Vec<Method> =
            ours.flat_map(|service| service.methods().map(|one| method(&one)).collect::<Vec<_>>()).collect();
        methods.retain(|method| !NOT_CALLED.contains(&method.path.as_str()));
        let empty = pool.get_message_by_name("google.protobuf.Empty");
        let empty = empty.ok_or_else(|| broken(&"google.protobuf.Empty is not in it"))?;
        methods.extend(OF_EVERY_PORT.map(|path| Method {
            path: path.to_owned(),
            input: empty.clone(),
            kind: Kind::Direct,
            streams: !path.ends_with("Check"),
        }));
        methods.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Catalog { pool, methods })
    }

    /// All of them, sorted by path.
    #[must_use]
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// The method of this path (`package.Service/Method`).
    #[must_use]
    pub fn method(&self, path: &str) -> Option<&Method> {
        self.methods.iter().find(|method| method.path == path)
    }

    /// A message type by its full name.
    #[must_use]
    pub fn message(&self, name: &str) -> Option<MessageDescriptor> {
        self.pool.get_message_by_name(name)
    }
}

fn method(descriptor: &MethodDescriptor) -> Method {
    let service = descriptor.parent_service().full_name().to_owned();
    let path = format!("{service}/{}", descriptor.name());
    let kind = match service.as_str() {
        "amends.v1.Relay" => Kind::Relay,
        "amends.v1.Transactions" | "amends.v1.Operations" | "pay.psp.v1.PspService" => Kind::Direct,
        _participant => branch_kind(descriptor.name()),
    };
    Method { path, input: descriptor.input(), kind, streams: descriptor.is_server_streaming() }
}

/// What the name of a participant's method says: the domain's names, as the definitions use them.
fn branch_kind(name: &str) -> Kind {
    match name {
        "Place" | "MarkPaid" | "Transfer" | "Deduct" | "Burn" | "Earn" | "Charge" => {
            Kind::Branch("saga", "action")
        }
        "ClosePlaced" | "RevertPaid" | "ReverseTransfer" | "ReturnStock" | "ReturnBurn" | "RevokeEarn"
        | "ReverseCharge" => Kind::Branch("saga", "compensate"),
        name if name.starts_with("Try") => Kind::Branch("tcc", "try"),
        name if name.starts_with("Confirm") => Kind::Branch("tcc", "confirm"),
        name if name.starts_with("Cancel") => Kind::Branch("tcc", "cancel"),
        _direct => Kind::Direct,
    }
}

#[cfg(test)]
mod tests {
    use super::{Catalog, Kind};

    #[test]
    fn every_service_of_the_system_is_attacked() {
        let catalog = Catalog::read().unwrap();
        let mut services: Vec<&str> = catalog.methods().iter().map(super::Method::service).collect();
        services.dedup();
        assert_eq!(
            services,
            [
                "amends.v1.Operations",
                "amends.v1.Relay",
                "amends.v1.Transactions",
                "grpc.health.v1.Health",
                "grpc.reflection.v1.ServerReflection",
                "pay.account.v1.AccountService",
                "pay.gateway.v1.GatewayService",
                "pay.inventory.v1.InventoryService",
                "pay.order.v1.OrderService",
                "pay.points.v1.PointsService",
                "pay.psp.v1.PspService",
            ]
        );
    }

    #[test]
    fn branch_methods_are_told_from_direct_ones() {
        let catalog = Catalog::read().unwrap();
        let kind = |path| catalog.method(path).unwrap().kind;
        assert_eq!(kind("pay.points.v1.PointsService/TryBurn"), Kind::Branch("tcc", "try"));
        assert_eq!(kind("pay.order.v1.OrderService/RevertPaid"), Kind::Branch("saga", "compensate"));
        assert_eq!(kind("pay.points.v1.PointsService/Grant"), Kind::Direct);
        assert_eq!(kind("amends.v1.Transactions/Cancel"), Kind::Direct);
        let branch = catalog.methods().iter().filter(|method| method.kind.is_branch());
        assert_eq!(branch.count(), 5 + 5 + 5 + 7 + 10 + 1);
    }
}
