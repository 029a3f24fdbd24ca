//! The API as pages ask it: the same services that clients call over gRPC, in this process and without a connection, so
//! limits, refusals and forwarding to other replicas are the same. The console's only way to anything.

use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use tonic::metadata::MetadataValue;
use tonic::service::Routes;
use tonic::{Request, Status};

/// Both services.
#[derive(Debug, Clone)]
pub struct Api {
    transactions: TransactionsClient<Routes>,
    operations: OperationsClient<Routes>,
}

impl Api {
    /// Over what the API's port serves.
    #[must_use]
    pub fn new(routes: Routes) -> Self {
        let routes = routes.prepare();
        Self {
            transactions: TransactionsClient::new(routes.clone()),
            operations: OperationsClient::new(routes),
        }
    }

    /// What clients call.
    #[must_use]
    pub fn transactions(&self) -> TransactionsClient<Routes> {
        self.transactions.clone()
    }

    /// What operators call.
    #[must_use]
    pub fn operations(&self) -> OperationsClient<Routes> {
        self.operations.clone()
    }
}

/// A request in somebody's name.
///
/// # Errors
/// Where that can be nobody's name.
pub fn by<T>(name: &str, message: T) -> Result<Request<T>, Status> {
    let name = MetadataValue::try_from(name).map_err(|_| {
        Status::invalid_argument("INVALID_REQUEST|name: must be plain letters, digits and . _ @ + -")
    })?;
    let mut request = Request::new(message);
    request.metadata_mut().insert("amends-caller", name);
    Ok(request)
}
