//! `amends retry`, `redrive`, `pause`, `resume`, `resolve`: what people do to global transactions, each with its reason for
//! the history.
use crate::connect::Target;
use crate::exit::{self, Exit};
use crate::in_doubt::{self, Release};
use crate::output::{Format, print_json, print_text};
use crate::standing::{self, Before};
use crate::{holds, json};
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::scope::What;
use amends_proto::amends::v1::{
    Deadlines, PauseRequest, PauseResponse, RedriveRequest, Resolution, ResolveRequest, ResumeRequest,
    RetryRequest, Scope,
};
use anyhow::Context as _;

/// Makes the next attempt now instead of at its time
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  amends retry 018f0000-0000-7000-8000-000000000000 --reason \"the bank is back\""
)]
pub struct Retry {
    /// Its gid
    gid: String,
    /// Only of this step, e.g. 05 [default: of all that wait]
    #[arg(long, value_name = "STEP", requires = "op")]
    step: Option<String>,
    /// Which op of the step
    #[arg(long, value_name = "OP", requires = "step")]
    op: Option<String>,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    target: Target,
}

/// Why, and what has been seen.
#[derive(Debug, clap::Args)]
struct Why {
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// Only if this is still the newest event
    #[arg(long, value_name = "SEQ", default_value_t = 0, hide_default_value = true)]
    expect_seq: i64,
}

/// One, or all of a kind.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Its gid
    gid: Option<String>,
    /// All of this definition, e.g. checkout
    #[arg(long, value_name = "NAME")]
    definition: Option<String>,
    /// All calls of this participant, e.g. gateway
    #[arg(long, value_name = "NAME")]
    participant: Option<String>,
}

impl Which {
    fn scope(self) -> Scope {
        let gid = self.gid.map(What::Gid);
        let of = self.definition.map(What::Definition).or(self.participant.map(What::Participant));
        Scope { what: gid.or(of) }
    }
}

/// What deadlines do meanwhile.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Clock {
    /// They stand still
    Stop,
    /// They run on
    Run,
}

impl Retry {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let request = RetryRequest {
            gid: self.gid.clone(),
            branch_id: self.step.unwrap_or_default(),
            op: self.op.unwrap_or_default(),
            reason: self.why.reason,
            expected_last_seq: self.why.expect_seq,
        };
        let connection = self.target.connect().await?;
        let before = Before::look(connection.clone(), &self.gid).await;
        let waits_for = before.waits_for(&request.branch_id, &request.op);
        let answer = OperationsClient::new(connection).retry(request).await;
        let answer = answer.context("retry")?;
        standing::print(&answer.into_inner(), before.holds().as_deref(), Some(waits_for), format)
    }
}

/// Begins another run that goes on from where this one failed: earlier results are kept, limits count anew
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  amends redrive 018f0000-0000-7000-8000-000000000000 --reason \"the bank is repaired\""
)]
pub struct Redrive {
    /// Its gid
    gid: String,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    target: Target,
}

impl Redrive {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let request = RedriveRequest {
            gid: self.gid.clone(),
            reason: self.why.reason,
            expected_last_seq: self.why.expect_seq,
        };
        let connection = self.target.connect().await?;
        let answer = OperationsClient::new(connection.clone()).redrive(request).await;
        let answer = answer.context("redrive")?;
        standing::tell(connection, &answer.into_inner(), format).await
    }
}

/// Makes no new attempt of one global transaction, of all of a definition, or to a participant
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amends pause 018f0000-0000-7000-8000-000000000000 --reason \"asking the bank\"\n  \
    amends pause --participant gateway --deadlines run --reason maintenance"
)]
pub struct Pause {
    #[command(flatten)]
    which: Which,
    /// What deadlines do meanwhile
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Clock::Stop)]
    deadlines: Clock,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    target: Target,
}

impl Pause {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let deadlines = match self.deadlines {
            Clock::Stop => Deadlines::Stop,
            Clock::Run => Deadlines::Run,
        };
        let request = PauseRequest {
            scope: Some(self.which.scope()),
            deadlines: deadlines.into(),
            reason: self.why.reason,
            expected_last_seq: self.why.expect_seq,
        };
        let connection = self.target.connect().await?;
        let answer = OperationsClient::new(connection.clone()).pause(request).await.context("pause")?;
        let answer = answer.into_inner();
        match &answer.transaction {
            Some(now) => standing::tell(connection, now, format).await,
            None => tell_hold(&answer, format),
        }
    }
}

/// Lets attempts go on that `amends pause` stopped
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amends resume --participant gateway --reason \"it is back\"")]
pub struct Resume {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    target: Target,
}

impl Resume {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let connection = self.target.connect().await?;
        let before = match &self.which.gid {
            Some(gid) => Before::look(connection.clone(), gid).await,
            None => Before::default(),
        };
        let request = ResumeRequest {
            scope: Some(self.which.scope()),
            reason: self.why.reason,
            expected_last_seq: self.why.expect_seq,
        };
        let answer = OperationsClient::new(connection).resume(request).await.context("resume")?.into_inner();
        match &answer.transaction {
            Some(now) => standing::print(now, before.holds().as_deref(), Some(before.had_ended()), format),
            None => tell_hold(&answer, format),
        }
    }
}

fn tell_hold(told: &PauseResponse, format: Format) -> anyhow::Result<Exit> {
    match (format, &told.hold) {
        (Format::Json, _) => print_json(&json::of("amends.v1.PauseResponse", told)?)?,
        (Format::Text, Some(hold)) => print_text(&holds::rows(std::slice::from_ref(hold)))?,
        (Format::Text, None) => print_text("it was not paused\n")?,
    }
    Ok(Exit::Ok)
}

/// What became of an op.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Outcome {
    /// An action, a try or a confirm is done
    Succeeded,
    /// It was not done and will not be: everything is taken back
    Refused,
    /// What a compensation or a cancel had to take back is taken back
    Compensated,
}

impl Outcome {
    /// What a statement of it does to what is held for a payment.
    fn release(self, awaiting_approval: bool) -> Release {
        match self {
            Outcome::Succeeded => Release::Nothing,
            Outcome::Refused | Outcome::Compensated if awaiting_approval => Release::OnceApproved,
            Outcome::Refused | Outcome::Compensated => Release::Now,
        }
    }
}

/// States the outcome of an op that its participant cannot tell; above an amount it counts when a second person does, too
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  amends resolve 018f0000-0000-7000-8000-000000000000 --step 06 --op confirm \
    --outcome refused \\\n    --evidence \"the bank says by phone: not captured\" --reference CASE-12 --caller ann"
)]
pub struct Resolve {
    /// Its gid
    gid: String,
    /// Which step, e.g. 06
    #[arg(long, value_name = "STEP")]
    step: String,
    /// Which op of the step: action, compensate, try, confirm, cancel
    #[arg(long, value_name = "OP")]
    op: String,
    /// What became of it
    #[arg(long, value_enum, value_name = "OUTCOME")]
    outcome: Outcome,
    /// What proves it, in words
    #[arg(long, value_name = "TEXT")]
    evidence: String,
    /// Where the proof can be looked up
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reference: String,
    /// Only if this is still the newest event
    #[arg(long, value_name = "SEQ", default_value_t = 0, hide_default_value = true)]
    expect_seq: i64,
    #[command(flatten)]
    target: Target,
}

impl Resolve {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let outcome = match self.outcome {
            Outcome::Succeeded => Resolution::Succeeded,
            Outcome::Refused => Resolution::Refused,
            Outcome::Compensated => Resolution::Compensated,
        };
        let request = ResolveRequest {
            gid: self.gid.clone(),
            branch_id: self.step,
            op: self.op,
            outcome: outcome.into(),
            evidence: self.evidence,
            reference: self.reference,
            expected_last_seq: self.expect_seq,
        };
        let connection = self.target.connect().await?;
        // Looked up before: afterwards nothing waits there any more.
        let caution = in_doubt::caution(&self.target, &self.gid, &request.branch_id).await;
        let told = OperationsClient::new(connection.clone()).resolve(request).await;
        let told = told.context("resolve")?.into_inner();
        if let Some(caution) = caution {
            let release = self.outcome.release(told.awaiting_approval);
            exit::warn(&caution.text(release), format);
        }
        let transaction = told.transaction.clone().unwrap_or_default();
        match format {
            Format::Json => print_json(&json::of("amends.v1.ResolveResponse", &told)?)?,
            Format::Text if told.awaiting_approval => print_text(&format!(
                "proposed by {}: it counts when another person states the same\n",
                told.proposed_by
            ))?,
            Format::Text => return standing::tell(connection, &transaction, format).await,
        }
        Ok(Exit::of_status(transaction.status()))
    }
}
