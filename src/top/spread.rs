//! Which global transactions are worth a look: lists come by start and newest first, these are by age and by end. Asks;
//! knows neither text nor screen.
use crate::connect::Connection;
use crate::timeline::micros;
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{GlobalTransaction, ListRequest, ListResponse, StatsResponse};
use prost_types::Timestamp;
use std::cmp::Reverse;

/// Global transactions that each list tells of.
pub const SHOWN: usize = 20;
/// Rows that one question looks at for them.
const LOOKED_AT: i32 = 200;
/// How often the time in which the oldest began is halved, before only the oldest of all is asked for.
const HALVINGS: u32 = 6;
/// What has not ended.
const OPEN: &str = "open";
/// What has.
const ENDED: &str = "status in (succeeded, failed, cancelled)";
/// Who ended only now and began long ago had most often to try again, and those have an index.
const LATE: &str = "attempts > 1 and finished > 1h ago";

/// Those that have been open for longest, oldest first.
pub async fn oldest(
    mut client: TransactionsClient<Connection>,
    stats: &StatsResponse,
) -> Result<Vec<GlobalTransaction>, tonic::Status> {
    for filter in spans(stats) {
        let ListResponse { mut transactions, next_page_token } = list(&mut client, filter).await?;
        // While there are more, the oldest are not among them.
        if next_page_token.is_empty() {
            transactions.sort_by_key(|one| one.created_at.as_ref().map(micros));
            transactions.truncate(SHOWN);
            return Ok(transactions);
        }
    }
    Ok(Vec::new())
}

/// Filters of open ones, each nearer to the oldest than the one before.
fn spans(stats: &StatsResponse) -> Vec<String> {
    let Some(oldest) = stats.oldest_open.as_ref().map(micros) else { return Vec::new() };
    let counted = stats.counted_at.as_ref().map_or(oldest, micros);
    let halved = (1..=HALVINGS).map(|times| (counted - oldest).max(0) >> times);
    let until = halved.chain([0]).map(|span| format!("{OPEN} and started <= {}", time(oldest + span)));
    [OPEN.to_owned()].into_iter().chain(until).collect()
}

/// The figures are some seconds old, and the oldest may have ended since: times are as the store has them.
fn time(us: i64) -> Timestamp {
    // Less than a second in nanoseconds always fits.
    let nanos = i32::try_from(us.rem_euclid(1_000_000) * 1_000).unwrap_or_default();
    Timestamp { seconds: us.div_euclid(1_000_000), nanos }
}

/// Those that ended last, the newest end first.
pub async fn ended(client: TransactionsClient<Connection>) -> Result<Vec<GlobalTransaction>, tonic::Status> {
    let (mut one, mut other) = (client.clone(), client);
    let (newest, late) =
        tokio::try_join!(list(&mut one, ENDED.to_owned()), list(&mut other, LATE.to_owned()))?;
    Ok(by_end(newest.transactions.into_iter().chain(late.transactions).collect()))
}

fn by_end(mut ended: Vec<GlobalTransaction>) -> Vec<GlobalTransaction> {
    ended.sort_by(|one, other| {
        let key = |one: &GlobalTransaction| Reverse(one.finished_at.as_ref().map(micros));
        key(one).cmp(&key(other)).then_with(|| one.gid.cmp(&other.gid))
    });
    // What both lists had stands beside itself.
    ended.dedup_by(|one, other| one.gid == other.gid);
    ended.truncate(SHOWN);
    ended
}

async fn list(
    client: &mut TransactionsClient<Connection>,
    filter: String,
) -> Result<ListResponse, tonic::Status> {
    let request = ListRequest { filter, page_size: LOOKED_AT, ..ListRequest::default() };
    Ok(client.list(request).await?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp { seconds, nanos: 0 })
    }

    #[test]
    fn the_newest_end_is_first_whenever_it_began_and_nothing_is_told_twice() {
        let one = |gid: &str, began, ended| GlobalTransaction {
            gid: gid.into(),
            created_at: at(began),
            finished_at: at(ended),
            ..GlobalTransaction::default()
        };
        let ended = by_end(vec![one("c", 90, 91), one("b", 80, 82), one("a", 1, 95), one("b", 80, 82)]);
        assert_eq!(ended.iter().map(|one| one.gid.as_str()).collect::<Vec<_>>(), ["a", "c", "b"]);
        let many = (0..40).map(|number| one(&number.to_string(), number, number + 1)).collect();
        assert_eq!(by_end(many).len(), SHOWN);
    }

    #[test]
    fn the_oldest_are_looked_for_ever_nearer_to_the_first_of_them() {
        let stats = StatsResponse { oldest_open: at(100), counted_at: at(228), ..StatsResponse::default() };
        let spans = spans(&stats);
        assert_eq!(spans.len(), 8);
        assert_eq!(
            (spans[0].as_str(), spans[1].as_str()),
            ("open", "open and started <= 1970-01-01T00:02:44Z")
        );
        assert_eq!(spans[7], "open and started <= 1970-01-01T00:01:40Z");
        assert!(super::spans(&StatsResponse::default()).is_empty(), "nothing is open");
        assert_eq!(time(1_500_000).to_string(), "1970-01-01T00:00:01.500Z");
    }
}
