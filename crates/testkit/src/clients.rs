//! Clients of every process, straight and not through the proxies. Knows addresses only.
use crate::patience::Must as _;
use amends_dtm::client::{DtmClient, DtmEndpoints};
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::pay::account::v1::account_service_client::AccountServiceClient;
use amends_proto::pay::gateway::v1::gateway_service_client::GatewayServiceClient;
use amends_proto::pay::inventory::v1::inventory_service_client::InventoryServiceClient;
use amends_proto::pay::order::v1::order_service_client::OrderServiceClient;
use amends_proto::pay::points::v1::points_service_client::PointsServiceClient;
use amends_proto::pay::psp::v1::psp_service_client::PspServiceClient;
use amends_stack::{Role, Stack};
use tonic::transport::{Channel, Endpoint};

/// One client of each process. A clone shares the connections.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Global transactions.
    pub transactions: TransactionsClient<Channel>,
    /// What operators ask.
    pub operations: OperationsClient<Channel>,
    /// Orders.
    pub orders: OrderServiceClient<Channel>,
    /// Wallets.
    pub accounts: AccountServiceClient<Channel>,
    /// Stock.
    pub inventory: InventoryServiceClient<Channel>,
    /// Points.
    pub points: PointsServiceClient<Channel>,
    /// Payments.
    pub gateway: GatewayServiceClient<Channel>,
    /// Cards.
    pub psp: PspServiceClient<Channel>,
    /// The DTM server itself, where one runs.
    pub dtm: Option<DtmClient>,
}

impl Clients {
    pub(crate) fn of(stack: &Stack) -> Clients {
        let channel = |role| {
            let endpoint = Endpoint::from_shared(format!("http://{}", stack.address(role)));
            endpoint.must("an address").tcp_nodelay(true).connect_lazy()
        };
        let dtm = |http: String| {
            let grpc = format!("grpc://{}", stack.address(Role::Dtm));
            let endpoints = DtmEndpoints::parse(&grpc, Some(&http)).must("DTM's addresses");
            DtmClient::new(&endpoints).must("a client of DTM")
        };
        Clients {
            transactions: TransactionsClient::new(channel(Role::Orchestrator)),
            operations: OperationsClient::new(channel(Role::Orchestrator)),
            orders: OrderServiceClient::new(channel(Role::Order)),
            accounts: AccountServiceClient::new(channel(Role::Account)),
            inventory: InventoryServiceClient::new(channel(Role::Inventory)),
            points: PointsServiceClient::new(channel(Role::Points)),
            gateway: GatewayServiceClient::new(channel(Role::Gateway)),
            psp: PspServiceClient::new(channel(Role::Psp)),
            dtm: stack.dtm_http().map(dtm),
        }
    }
}
