//! What the gateway counts and measures: requests to the processor by what it answered, and what is in doubt. No label
//! holds a payment, an order or a merchant.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use amends_participant::Guard;
use amends_serve::metrics::{
    CALL_SECONDS, Counter, Gauges, Histogram, Kept, Kind, Metric, Source, age_s, figure,
};
use sea_orm::{ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use crate::entity::{attempt, in_doubt_item};
use crate::finding::Answer;
use crate::in_doubt::unresolved;
use crate::state::PspOp;

/// Every metric of the gateway, but those of every process.
pub const METRICS: &[Metric] =
    &[CALLS, SECONDS, IN_DOUBT, IN_DOUBT_OLDEST, UNANSWERED, UNANSWERED_OLDEST, READABLE];

const CALLS: Metric = Metric::new(
    "amends_psp_calls_total",
    Kind::Counter,
    &["call", "answer"],
    "Requests to the payment service provider, by what it answered; silence = nothing that proves anything.",
);
const SECONDS: Metric = Metric::new(
    "amends_psp_call_duration_seconds",
    Kind::Histogram(CALL_SECONDS),
    &["call"],
    "Time that requests to the provider took.",
);
const IN_DOUBT: Metric = Metric::new(
    "amends_in_doubt_items",
    Kind::Gauge,
    &["kind"],
    "Payments in doubt that nobody has resolved: only a person, or patience, can.",
);
const IN_DOUBT_OLDEST: Metric = Metric::new(
    "amends_in_doubt_oldest_seconds",
    Kind::Gauge,
    &["kind"],
    "Since when the oldest of them is in doubt; 0 = there is none.",
);
const UNANSWERED: Metric = Metric::new(
    "amends_psp_requests_open",
    Kind::Gauge,
    &[],
    "Requests whose outcome is not known: under way, or being asked about.",
);
const UNANSWERED_OLDEST: Metric = Metric::new(
    "amends_psp_request_oldest_open_seconds",
    Kind::Gauge,
    &[],
    "Age of the oldest of them; 0 = there is none.",
);
const READABLE: Metric = Metric::new(
    "amends_gateway_store_readable",
    Kind::Gauge,
    &[],
    "1 = the gateway's store was read within the last seconds; 0 = figures of it are old.",
);

/// What the provider is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// A request about money.
    Money(PspOp),
    /// What became of one.
    Query,
    /// It is forbidden for ever.
    Close,
}

impl Call {
    const ALL: [Self; 7] = [
        Self::Money(PspOp::Authorize),
        Self::Money(PspOp::Sale),
        Self::Money(PspOp::Capture),
        Self::Money(PspOp::Void),
        Self::Money(PspOp::Refund),
        Self::Query,
        Self::Close,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Money(op) => op.as_str(),
            Self::Query => "query",
            Self::Close => "close",
        }
    }

    /// What the span of such a call is called.
    pub fn span_name(self) -> &'static str {
        match self {
            Self::Money(PspOp::Authorize) => "psp authorize",
            Self::Money(PspOp::Sale) => "psp sale",
            Self::Money(PspOp::Capture) => "psp capture",
            Self::Money(PspOp::Void) => "psp void",
            Self::Money(PspOp::Refund) => "psp refund",
            Self::Query => "psp query",
            Self::Close => "psp close",
        }
    }
}

/// The words for answers, each at its place.
const ANSWERS: [&str; 8] =
    ["success", "declined", "refused", "processing", "not_found", "closed", "silence", "never_left"];

/// The word for an answer.
pub fn word(answer: &Answer) -> &'static str {
    ANSWERS[place(answer)]
}

fn place(answer: &Answer) -> usize {
    match answer {
        Answer::Success(_) => 0,
        Answer::Declined(_) => 1,
        Answer::Refused(_) => 2,
        Answer::Processing => 3,
        Answer::NotFound => 4,
        Answer::Closed => 5,
        Answer::Silence => 6,
        Answer::NeverLeft => 7,
    }
}

/// The figures of requests to one provider: all of them, so that the first silence is a step from 0 to 1.
#[derive(Debug)]
pub struct PspMeters(Vec<(Call, [Counter; 8], Histogram)>);

impl PspMeters {
    /// All at 0.
    #[must_use]
    pub fn new() -> Arc<PspMeters> {
        let meters = |call: Call| {
            let answers = ANSWERS.map(|answer| CALLS.counter(&[call.name(), answer]));
            (call, answers, SECONDS.histogram(&[call.name()]))
        };
        Arc::new(PspMeters(Call::ALL.into_iter().map(meters).collect()))
    }

    /// Notes what was answered.
    pub fn answered(&self, call: Call, answer: &Answer, took: Duration) {
        let Some((_, answers, seconds)) = self.0.iter().find(|(of, ..)| *of == call) else { return };
        answers[place(answer)].increment(1);
        seconds.record(took);
    }
}

/// Reads what is in doubt and what is unanswered, when somebody asks.
pub struct Doubts {
    guard: Guard,
    items: Gauges,
    oldest: Gauges,
    kept: Kept,
}

impl Doubts {
    /// Of this gateway's store.
    #[must_use]
    pub fn of(guard: Guard) -> Arc<Doubts> {
        let (items, oldest) = (Gauges::of(IN_DOUBT), Gauges::of(IN_DOUBT_OLDEST));
        Arc::new(Doubts { guard, items, oldest, kept: Kept::new(READABLE) })
    }

    /// Rows that are over are behind no question: each goes through an index of those that are not.
    async fn look(&self) -> Result<(), DbErr> {
        let reader = self.guard.store().reader();
        let items: Vec<(String, i64, i64)> = in_doubt_item::Entity::find()
            .select_only()
            .column(in_doubt_item::Column::Kind)
            .column_as(in_doubt_item::Column::Seq.count(), "count")
            .column_as(in_doubt_item::Column::OpenedAtUs.min(), "oldest_us")
            .filter(unresolved())
            .group_by(in_doubt_item::Column::Kind)
            .into_tuple()
            .all(reader)
            .await?;
        self.items.tell(items.iter().map(|(kind, count, _)| (vec![kind.clone()], figure(*count))));
        self.oldest.tell(items.iter().map(|(kind, _, since)| (vec![kind.clone()], self.age_s(*since))));
        let unanswered: Option<(i64, Option<i64>)> = attempt::Entity::find()
            .select_only()
            .column_as(attempt::Column::Seq.count(), "count")
            .column_as(attempt::Column::CreatedAtUs.min(), "oldest_us")
            .filter(attempt::Column::NextQueryAtUs.is_not_null())
            .into_tuple()
            .one(reader)
            .await?;
        let (count, since) = unanswered.unwrap_or_default();
        UNANSWERED.gauge(&[]).set(figure(count));
        UNANSWERED_OLDEST.gauge(&[]).set(since.map_or(0.0, |since| self.age_s(since)));
        Ok(())
    }

    fn age_s(&self, since_us: i64) -> f64 {
        age_s(since_us, self.guard.now_us())
    }
}

impl Source for Doubts {
    fn read(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.kept.read(self.look()))
    }

    fn overdue(&self) {
        self.kept.old();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_a_word_of_its_own() {
        let answers = [
            Answer::Success(crate::finding::Receipt::default()),
            Answer::Declined(String::new()),
            Answer::Refused(String::new()),
            Answer::Processing,
            Answer::NotFound,
            Answer::Closed,
            Answer::Silence,
            Answer::NeverLeft,
        ];
        let places: Vec<usize> = answers.iter().map(place).collect();
        assert_eq!(places, (0..ANSWERS.len()).collect::<Vec<_>>());
        let names: std::collections::BTreeSet<_> = Call::ALL.map(Call::name).into();
        assert_eq!(names.len(), Call::ALL.len());
    }
}
