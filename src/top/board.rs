//! What one look at the orchestrator told, and its JSON. Asks; knows neither text nor screen.
use super::rates::Rates;
use super::spread;
use crate::connect::Connection;
use crate::{holds, json};
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{
    GlobalTransaction, Hold, LanesRequest, LanesResponse, ListAttentionRequest, ListAttentionResponse,
    StatsRequest, StatsResponse, TopologyRequest, TopologyResponse,
};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use std::time::Duration;

/// Open needs that are told one by one; of the others only their figures.
const NEEDS: i32 = 20;
/// The orchestrator asks DTM for its version; one that hangs must not look like an orchestrator that does.
const TOPOLOGY_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Everything that is shown, as of one moment.
#[derive(Debug, Clone)]
pub struct Board {
    /// When it was asked.
    pub at: DateTime<Utc>,
    /// Figures; counted by the orchestrator every few seconds.
    pub stats: StatsResponse,
    /// Definitions and participants that are paused; none = they could not be asked for.
    pub holds: Option<Vec<Hold>>,
    /// The ways to participants.
    pub lanes: LanesResponse,
    /// Open needs for a person, oldest first.
    pub attention: ListAttentionResponse,
    /// Who is where; none = its question for DTM took too long.
    pub topology: Option<TopologyResponse>,
    /// Those that have been open for longest, oldest first.
    pub oldest: Vec<GlobalTransaction>,
    /// Those that ended last, the newest end first.
    pub ended: Vec<GlobalTransaction>,
}

impl Board {
    /// Asks for all of it at once.
    pub async fn fetch(connection: Connection) -> Result<Board, tonic::Status> {
        let operations = OperationsClient::new(connection.clone());
        let transactions = TransactionsClient::new(connection.clone());
        let (mut stats, mut lanes, mut needs) = (operations.clone(), operations.clone(), operations.clone());
        let wanted = ListAttentionRequest { page_size: NEEDS, ..ListAttentionRequest::default() };
        let (stats, holds, lanes, attention, topology, ended) = tokio::try_join!(
            stats.stats(StatsRequest {}),
            async { Ok(holds::in_force(connection).await) },
            lanes.lanes(LanesRequest::default()),
            needs.list_attention(wanted),
            topology(operations),
            spread::ended(transactions.clone()),
        )?;
        let stats = stats.into_inner();
        let oldest = spread::oldest(transactions, &stats).await?;
        let (lanes, attention) = (lanes.into_inner(), attention.into_inner());
        Ok(Board { at: Utc::now(), stats, holds, lanes, attention, topology, oldest, ended })
    }

    /// For programs. Fields are only added.
    pub fn json(&self, rates: Option<Rates>, target: &str) -> anyhow::Result<Value> {
        let each = |all: &[GlobalTransaction]| -> anyhow::Result<Vec<Value>> {
            all.iter().map(|one| json::of("amends.v1.GlobalTransaction", one)).collect()
        };
        let open = each(&self.oldest)?;
        let topology =
            self.topology.as_ref().map(|topology| json::of("amends.v1.TopologyResponse", topology));
        Ok(json!({
            "target": target,
            "at": self.at.to_rfc3339_opts(SecondsFormat::Millis, true),
            "topology": topology.transpose()?,
            "stats": json::of("amends.v1.StatsResponse", &self.stats)?,
            "holds": holds::json(self.holds.as_deref())?,
            "lanes": json::of("amends.v1.LanesResponse", &self.lanes)?["lanes"],
            "attention": json::of("amends.v1.ListAttentionResponse", &self.attention)?,
            "oldest": open.first(),
            "open": open,
            "ended": each(&self.ended)?,
            "rates": rates.map(Rates::json),
        }))
    }
}

async fn topology(
    mut client: OperationsClient<Connection>,
) -> Result<Option<TopologyResponse>, tonic::Status> {
    match tokio::time::timeout(TOPOLOGY_TIMEOUT, client.topology(TopologyRequest {})).await {
        Ok(answer) => Ok(Some(answer?.into_inner())),
        Err(_late) => Ok(None),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use amends_proto::amends::v1::scope::What;
    use amends_proto::amends::v1::{CauseFigure, Lane, LaneBreaker, OpenAttention, Status, StatusFigure};
    use prost_types::Timestamp;

    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp { seconds, nanos: 0 })
    }

    /// A system with one need, one open lane and one end, two minutes after the beginning of time.
    pub fn board() -> Board {
        let need = OpenAttention {
            gid: "gid-1".into(),
            cause: "payment_in_doubt".into(),
            since: at(60),
            branch_id: "05".into(),
            op: "action".into(),
            owner: "ann".into(),
            text: "UNAVAILABLE GONE|away".into(),
            ..OpenAttention::default()
        };
        let transaction = |gid: &str, status: Status, reason: &str| GlobalTransaction {
            gid: gid.into(),
            status: status.into(),
            created_at: at(1),
            finished_at: at(3).filter(|_| status != Status::Running),
            reason: reason.into(),
            ..GlobalTransaction::default()
        };
        let figure = StatusFigure { definition: "checkout".into(), status: Status::Running.into(), count: 1 };
        let breaker = LaneBreaker { state: "open".into(), since: at(90), failures: 3 };
        let lane = Lane { participant: "gateway".into(), breaker: Some(breaker), ..Lane::default() };
        Board {
            at: DateTime::from_timestamp(120, 0).unwrap_or_default(),
            stats: StatsResponse {
                statuses: vec![figure],
                causes: vec![CauseFigure { cause: "payment_in_doubt".into(), count: 1, oldest: at(60) }],
                open: 1,
                ..StatsResponse::default()
            },
            holds: Some(vec![holds::tests::hold(What::Participant("points".into()))]),
            lanes: LanesResponse { lanes: vec![lane] },
            attention: ListAttentionResponse { open: vec![need], ..ListAttentionResponse::default() },
            topology: Some(TopologyResponse {
                coordinator: "dtm".into(),
                version: "0.1.0".into(),
                dtm_version: "v1.18.0".into(),
                ..TopologyResponse::default()
            }),
            oldest: vec![transaction("gid-1", Status::Running, "")],
            ended: vec![transaction("gid-2", Status::Failed, "PSP_DECLINED|stolen_card")],
        }
    }

    #[test]
    fn programs_get_every_part_under_its_own_name() {
        let told = board().json(Some(Rates { started: 4.4, ended: 4.0 }), "h:1").unwrap();
        assert_eq!((&told["target"], &told["at"]), (&"h:1".into(), &"1970-01-01T00:02:00.000Z".into()));
        assert_eq!(told["stats"]["statuses"][0]["status"], "running");
        assert_eq!(told["lanes"][0]["breaker"]["state"], "open");
        assert_eq!(told["attention"]["open"][0]["cause"], "payment_in_doubt");
        assert_eq!((&told["oldest"]["gid"], &told["ended"][0]["gid"]), (&"gid-1".into(), &"gid-2".into()));
        assert_eq!(told["open"], json!([told["oldest"]]));
        assert_eq!(told["rates"], json!({"started_per_second": 4.4, "ended_per_second": 4.0}));
        assert_eq!(told["topology"]["dtm_version"], "v1.18.0");
        assert_eq!(told["holds"][0]["scope"]["participant"], "points");
        assert_eq!(board().json(None, "h:1").unwrap()["rates"], json!(null), "one count is no rate");
        let unknown = Board { holds: None, ..board() };
        assert_eq!(unknown.json(None, "h:1").unwrap()["holds"], json!(null), "nobody told of holds");
    }
}
