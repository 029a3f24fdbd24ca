//! `amends watch`: tells the events of one global transaction as they happen, to its end, over any break of the connection.
use crate::connect::{Connection, Target};
use crate::exit::Exit;
use crate::json;
use crate::output::{Format, Paint, Reader, harmless, print_to_reader};
use crate::timeline::{self, Lines};
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{Event, GetRequest, GlobalTransaction, WatchRequest};
use anyhow::Context as _;
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;
use tonic::{Code, Status};

/// Between the first two tries to get the connection back; each later pause is twice as long, with some chance in it.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// Tries in a row until the orchestrator counts as gone: about five minutes.
const TRIES: usize = 120;

/// Tells the events of one global transaction as they happen, until it ends
#[derive(Debug, clap::Args)]
pub struct Watch {
    /// Its gid
    gid: String,
    /// Begin with this event; 1 is the first
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..))]
    from_seq: i64,
    #[command(flatten)]
    target: Target,
}

impl Watch {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let mut client = self.target.transactions().await?;
        let transaction = get(&mut client, &self.gid).await.context("watch")?;
        let telling = Telling::begin(format, &transaction)?;
        let mut follower = Follower { client, gid: self.gid, next_seq: self.from_seq, telling, pauses: None };
        loop {
            match follower.follow().await {
                Ok(exit) => return Ok(exit),
                Err(Interrupted::ForGood(error)) => return Err(error),
                Err(Interrupted::ForNow(error)) => follower.pause(error).await?,
            }
        }
    }
}

/// Follows one history, over as many connections as it takes.
struct Follower<'a> {
    client: TransactionsClient<Connection>,
    gid: String,
    /// The event that is to be told next.
    next_seq: i64,
    telling: Telling<'a>,
    /// Until the connection is back; none = it is there.
    pauses: Option<ExponentialBackoff>,
}

impl Follower<'_> {
    /// Tells what comes until the end or a break.
    async fn follow(&mut self) -> Result<Exit, Interrupted> {
        let request = WatchRequest { gid: self.gid.clone(), from_seq: self.next_seq };
        let mut events = self.client.watch(request).await?.into_inner();
        self.pauses = None;
        while let Some(event) = events.message().await? {
            if event.seq != self.next_seq {
                let error = anyhow::anyhow!("event {} came where {} was to come", event.seq, self.next_seq);
                return Err(Interrupted::ForNow(error));
            }
            self.next_seq += 1;
            if self.telling.event(&event)? == Reader::Gone {
                return Ok(Exit::Running);
            }
        }
        let transaction = get(&mut self.client, &self.gid).await?;
        match Exit::of_status(transaction.status()) {
            Exit::Running => Err(Interrupted::ForNow(anyhow::anyhow!("the stream ended before its end"))),
            end @ (Exit::Ok | Exit::Undone | Exit::Unsound | Exit::Usage) => {
                self.telling.end(&transaction)?;
                Ok(end)
            }
        }
    }

    /// Waits until it is time for another try.
    async fn pause(&mut self, broken: anyhow::Error) -> anyhow::Result<()> {
        if self.pauses.is_none() {
            self.telling.interrupted(&broken, self.next_seq);
        }
        match self.pauses.get_or_insert_with(pauses).next() {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(broken.context("the connection was lost and did not come back")),
        }
        Ok(())
    }
}

fn pauses() -> ExponentialBackoff {
    let pauses = ExponentialBuilder::new().with_min_delay(SHORTEST_PAUSE).with_max_delay(LONGEST_PAUSE);
    pauses.with_factor(2.0).with_jitter().with_max_times(TRIES).build()
}

async fn get(client: &mut TransactionsClient<Connection>, gid: &str) -> Result<GlobalTransaction, Status> {
    Ok(client.get(GetRequest { gid: gid.to_owned() }).await?.into_inner())
}

/// Why the telling stopped before the end.
enum Interrupted {
    /// Another try may go on where this one stopped.
    ForNow(anyhow::Error),
    /// Another try would end the same way.
    ForGood(anyhow::Error),
}

impl From<Status> for Interrupted {
    fn from(status: Status) -> Interrupted {
        match status.code() {
            Code::Unavailable
            | Code::Unknown
            | Code::Internal
            | Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::ResourceExhausted => Interrupted::ForNow(status.into()),
            Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::DataLoss
            | Code::Unauthenticated => Interrupted::ForGood(anyhow::Error::from(status).context("watch")),
        }
    }
}

/// What cannot be written cannot be told later either.
impl From<anyhow::Error> for Interrupted {
    fn from(error: anyhow::Error) -> Interrupted {
        Interrupted::ForGood(error)
    }
}

/// How it is told.
enum Telling<'a> {
    People { lines: Lines<'a>, paint: Paint },
    Json,
}

impl<'a> Telling<'a> {
    fn begin(format: Format, transaction: &'a GlobalTransaction) -> anyhow::Result<Telling<'a>> {
        match format {
            Format::Json => Ok(Telling::Json),
            Format::Text => {
                let paint = Paint::detect();
                print_to_reader(&timeline::head(transaction, paint))?;
                let zero_us = transaction.created_at.as_ref().map_or(0, timeline::micros);
                Ok(Telling::People { lines: Lines::new(&transaction.steps, zero_us), paint })
            }
        }
    }

    fn event(&mut self, event: &Event) -> anyhow::Result<Reader> {
        match self {
            Telling::Json => print_to_reader(&format!("{}\n", json::of("amends.v1.Event", event)?)),
            Telling::People { lines, paint } => print_to_reader(&lines.tell(event, *paint)),
        }
    }

    fn interrupted(&self, error: &anyhow::Error, next_seq: i64) {
        match self {
            // Standard error is for the error that ends the verb, as one object.
            Telling::Json => {}
            Telling::People { .. } => {
                let told = format!("connection lost before event {next_seq}, trying again: {error:#}");
                eprintln!("{}", harmless(&told));
            }
        }
    }

    fn end(&self, transaction: &GlobalTransaction) -> anyhow::Result<()> {
        match self {
            Telling::Json => Ok(()),
            Telling::People { paint, .. } => {
                print_to_reader(&timeline::head(transaction, *paint)).map(|_| ())
            }
        }
    }
}
