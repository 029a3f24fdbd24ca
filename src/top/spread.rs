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
/// How often the time in which enough of the oldest began is halved, before fewer are told.
const HALVINGS: u32 = 12;
/// What has not ended.
const OPEN: &str = "open";
/// What has.
const ENDED: &str = "status in (succeeded, failed, cancelled)";
/// Who ended only now and began long ago had most often to try again, and those have an index.
const LATE: &str = "attempts > 1 and finished > 1h ago";

/// Those that have been open for longest, oldest first.
pub async fn oldest(
    client: TransactionsClient<Connection>,
    stats: &StatsResponse,
) -> Result<Vec<GlobalTransaction>, tonic::Status> {
    let asked = |until: Option<i64>| {
        let mut client = client.clone();
        async move { list(&mut client, began(until)).await }
    };
    let mut transactions = longest_open(stats, asked).await?;
    transactions.sort_by_key(|one| one.created_at.as_ref().map(micros));
    transactions.truncate(SHOWN);
    Ok(transactions)
}

/// A page is cut off at its oldest: looks for a time until which enough began, and not more than fit on one. Where too many
/// began at once behind a few, these few.
async fn longest_open<Page: Future<Output = Result<ListResponse, tonic::Status>>>(
    stats: &StatsResponse,
    list: impl Fn(Option<i64>) -> Page,
) -> Result<Vec<GlobalTransaction>, tonic::Status> {
    let Some(oldest) = stats.oldest_open.as_ref().map(micros) else { return Ok(Vec::new()) };
    let all = list(None).await?;
    if all.next_page_token.is_empty() {
        return Ok(all.transactions);
    }
    let (mut fits, mut best) = (oldest, Vec::new());
    let mut over = stats.counted_at.as_ref().map_or(oldest, micros).max(oldest);
    for _ in 0..HALVINGS {
        let middle = fits + (over - fits) / 2;
        let page = list(Some(middle)).await?;
        if page.next_page_token.is_empty() {
            (best, fits) = (page.transactions, middle);
        } else {
            over = middle;
        }
        if best.len() >= SHOWN || over - fits <= 1 {
            break;
        }
    }
    if best.is_empty() {
        // So many began at once that even these do not fit: some of them.
        best = list(Some(oldest)).await?.transactions;
    }
    Ok(best)
}

/// Filter of the open ones that began until then, or ever.
fn began(until: Option<i64>) -> String {
    until.map_or_else(|| OPEN.to_owned(), |us| format!("{OPEN} and started <= {}", time(us)))
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

    /// A page of those that began at these seconds, but not after this time.
    fn page(began: &[i64], until: Option<i64>) -> ListResponse {
        let fits = |second: &&i64| until.is_none_or(|until| **second * 1_000_000 <= until);
        let mut listed: Vec<i64> = began.iter().filter(fits).copied().collect();
        listed.sort_by_key(|second| Reverse(*second));
        let most = usize::try_from(LOOKED_AT).unwrap();
        let next_page_token = if listed.len() > most { "more".to_owned() } else { String::new() };
        listed.truncate(most);
        let one = |second| GlobalTransaction { created_at: at(second), ..GlobalTransaction::default() };
        ListResponse { transactions: listed.into_iter().map(one).collect(), next_page_token }
    }

    #[tokio::test]
    async fn one_that_is_far_older_does_not_hide_the_next() {
        let oldest_of = async |began: &[i64], until: i64| -> Vec<i64> {
            let oldest = began.iter().min().map(|second| at(*second));
            let stats = StatsResponse {
                oldest_open: oldest.flatten(),
                counted_at: at(until),
                ..StatsResponse::default()
            };
            let list = |until| std::future::ready(Ok(page(began, until)));
            let found = longest_open(&stats, list).await.unwrap();
            let mut seconds: Vec<i64> = found.iter().map(|one| one.created_at.unwrap().seconds).collect();
            seconds.sort_unstable();
            seconds
        };
        let one_and_many: Vec<i64> = [1_000].into_iter().chain(90_000..90_300).collect();
        let found = oldest_of(&one_and_many, 90_300).await;
        assert!(found.len() >= SHOWN && found[..SHOWN] == one_and_many[..SHOWN], "{found:?}");
        assert_eq!(oldest_of(&one_and_many[..9], 90_300).await, one_and_many[..9]);
        let at_once: Vec<i64> = [1_000].into_iter().chain([90_000; 300]).collect();
        assert_eq!(oldest_of(&at_once, 90_300).await, [1_000], "the others cannot be told apart");
        assert_eq!(oldest_of(&[90_000; 300], 90_300).await.len(), 200, "some of them");
        assert!(oldest_of(&[], 90_300).await.is_empty(), "nothing is open");
    }

    #[test]
    fn times_are_as_the_store_has_them() {
        assert_eq!(began(Some(100_000_000)), "open and started <= 1970-01-01T00:01:40Z");
        assert_eq!(began(None), "open");
        assert_eq!(time(1_500_000).to_string(), "1970-01-01T00:00:01.500Z");
    }
}
