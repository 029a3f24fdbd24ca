//! All sides of one case. They meet in heats: in each of them every side has one round, alone on the machine, and who
//! goes first changes. Knows no process and no figure's meaning.
use super::case::Case;
use super::crew::Crew;
use super::load::{self, Round, Side, Span};
use super::processes::Driver;
use super::raw::Raw;
use super::store::Store;
use super::through::Through;
use amends_dtm::Gid;
use amends_dtm::client::{DtmClient, DtmStatus};
use anyhow::{Context as _, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// DTM's own status may go backwards for a while (dtm.md D22).
const DTM_LIMIT: Duration = Duration::from_secs(30);
const DTM_LOOK: Duration = Duration::from_millis(50);
/// Ends that are looked at together, after the clock has stopped.
const LOOKS: usize = 16;

/// Who is on a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// A plain client of a DTM server with this store.
    Raw(Store),
    /// The orchestrator, so driven.
    Amends(Driver),
}

impl Name {
    /// The store of a raw side.
    pub fn raw(self) -> Option<Store> {
        match self {
            Name::Raw(store) => Some(store),
            Name::Amends(_) => None,
        }
    }

    /// Who drives the global transactions of a side, as figures name it.
    pub fn side(self) -> &'static str {
        match self {
            Name::Raw(_) => "raw",
            Name::Amends(driver) => driver.coordinator(),
        }
    }

    /// Where the state of a side's coordinator is kept, as figures name it.
    pub fn store(self) -> &'static str {
        match self {
            Name::Raw(store) => store.name(),
            Name::Amends(driver) => driver.store(),
        }
    }

    /// A side, as people write it.
    pub fn title(self) -> String {
        match self {
            Name::Raw(store) => format!("raw DTM on {}", store.title()),
            Name::Amends(Driver::Dtm(store)) => format!("Amends with DTM on {}", store.title()),
            Name::Amends(Driver::Embedded) => "Amends alone, on SQLite".to_owned(),
        }
    }

    /// Who drives an orchestrator's side.
    pub fn driver(self) -> Option<Driver> {
        match self {
            Name::Raw(_) => None,
            Name::Amends(driver) => Some(driver),
        }
    }
}

/// One side.
pub struct Corner {
    name: Name,
    side: Arc<Side>,
    dtm: Option<DtmClient>,
    crew: Crew,
}

impl Corner {
    /// A plain client of DTM.
    pub fn raw(store: Store, raw: Raw, dtm: &DtmClient, crew: Crew) -> Corner {
        let side = Arc::new(Side::Raw(Box::new(raw)));
        Corner { name: Name::Raw(store), side, dtm: Some(dtm.clone()), crew }
    }

    /// The orchestrator, and the DTM server behind it, if there is one.
    pub fn amends(driver: Driver, through: Through, dtm: Option<&DtmClient>, crew: Crew) -> Corner {
        let side = Arc::new(Side::Through(Box::new(through)));
        Corner { name: Name::Amends(driver), side, dtm: dtm.cloned(), crew }
    }

    /// A round, and the proof that the last ones of it end as they should; so nothing of it runs on.
    async fn round(&self, case: Case, in_flight: usize, span: Span) -> anyhow::Result<Round> {
        let round = load::round(&self.side, &self.crew, in_flight, span).await?;
        let looks = round.sample.iter().map(|gid| self.ended(gid, case.shape().dtm_status()));
        futures::stream::iter(looks).buffer_unordered(LOOKS).try_collect::<()>().await?;
        Ok(round)
    }

    async fn ended(&self, gid: &Gid, wanted: DtmStatus) -> anyhow::Result<()> {
        self.side.ended(gid).await?;
        match &self.dtm {
            Some(dtm) => dtm_agrees(dtm, gid, wanted).await,
            None => Ok(()),
        }
    }
}

/// All sides.
pub struct Arena {
    pub case: Case,
    pub corners: Vec<Corner>,
}

/// One round of each side, in the order of the corners.
pub type Heat = Vec<(Name, Round)>;

impl Arena {
    /// The `number`-th heat; `each` is told of every round.
    pub async fn heat(
        &self,
        number: usize,
        in_flight: usize,
        span: Span,
        each: impl Fn(),
    ) -> anyhow::Result<Heat> {
        let count = self.corners.len();
        let mut rounds: Vec<Option<(Name, Round)>> = vec![None; count];
        for position in 0..count {
            // Turned by one each time, and backwards every other time: nobody always follows the same one.
            let position = if number.is_multiple_of(2) { position } else { count - 1 - position };
            let index = (number + position) % count;
            let corner = &self.corners[index];
            let round = corner.round(self.case, in_flight, span).await;
            rounds[index] = Some((corner.name, round.with_context(|| format!("{:?}", corner.name))?));
            each();
        }
        Ok(rounds.into_iter().flatten().collect())
    }
}

async fn dtm_agrees(dtm: &DtmClient, gid: &Gid, wanted: DtmStatus) -> anyhow::Result<()> {
    let deadline = Instant::now() + DTM_LIMIT;
    loop {
        let status = dtm.query(gid).await?.map(|view| view.status);
        if status == Some(wanted) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("DTM says {status:?} of {gid} instead of {wanted:?}");
        }
        tokio::time::sleep(DTM_LOOK).await;
    }
}
