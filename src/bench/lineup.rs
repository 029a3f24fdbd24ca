//! Who takes part: the coordinators and stores that were asked for, and their processes. Knows no round and no figure.
use super::arena::{Arena, Corner};
use super::case::Case;
use super::crew::Crew;
use super::noop::Participant;
use super::processes::{Driver, Dtm, Orchestrator};
use super::raw::Raw;
use super::store::Store;
use super::systems::System;
use super::through::{Deed, Through};
use super::witness::Witness;
use amends_dtm::binary::DtmBinary;
use amends_stack::Redis;
use std::path::{Path, PathBuf};

/// Who drives the orchestrator's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Coordinator {
    /// As dtm: raw DTM, which everything is compared with, needs the server anyway
    Auto,
    /// A DTM server, on each store in turn
    Dtm,
    /// The orchestrator itself
    Embedded,
}

/// The stores where nobody names any: what needs nothing, and Redis where this machine has one.
pub fn usual_stores() -> Vec<Store> {
    if Redis::is_installed() {
        return vec![Store::Boltdb, Store::Redis];
    }
    eprintln!(
        "notice: no rows for DTM on Redis: redis-server is not installed (Debian: apt-get install redis-server)"
    );
    vec![Store::Boltdb]
}

/// Each once, in the order of the rows.
pub fn drivers(coordinators: &[Coordinator], stores: &[Store]) -> Vec<Driver> {
    let mut drivers = Vec::new();
    for coordinator in coordinators {
        let named: Vec<Driver> = match coordinator {
            Coordinator::Auto | Coordinator::Dtm => stores.iter().copied().map(Driver::Dtm).collect(),
            Coordinator::Embedded => vec![Driver::Embedded],
        };
        for driver in named {
            if !drivers.contains(&driver) {
                drivers.push(driver);
            }
        }
    }
    drivers
}

/// Raw DTM servers on every store, and who is compared with them.
pub struct Lineup {
    binary: DtmBinary,
    folder: PathBuf,
    participant: Participant,
    raws: Vec<(Store, Dtm)>,
    drivers: Vec<Driver>,
}

impl Lineup {
    /// Starts the raw side; everything else is below `folder` too.
    pub async fn start(folder: &Path, stores: &[Store], drivers: Vec<Driver>) -> anyhow::Result<Lineup> {
        let binary = tokio::task::spawn_blocking(amends_dtm::binary::locate).await??;
        let mut raws = Vec::new();
        for store in stores {
            let folder = folder.join(format!("raw-{}", store.name()));
            raws.push((*store, Dtm::start(&binary, &folder, *store).await?));
        }
        Ok(Lineup {
            binary,
            folder: folder.to_owned(),
            participant: Participant::start(None).await?,
            raws,
            drivers,
        })
    }

    /// Everybody on steps that do nothing.
    pub async fn orchestrators(&self) -> anyhow::Result<Vec<Orchestrator>> {
        let mut started = Vec::new();
        for driver in &self.drivers {
            let folder = self.folder.join(format!("{}-{}", driver.coordinator(), driver.store()));
            started.push(Orchestrator::start(&self.binary, &folder, *driver).await?);
        }
        Ok(started)
    }

    /// Everybody with real services.
    pub async fn systems(&self) -> anyhow::Result<Vec<System>> {
        let mut started = Vec::new();
        for driver in &self.drivers {
            let folder = self.folder.join(format!("system-{}-{}", driver.coordinator(), driver.store()));
            started.push(System::start(&folder, *driver).await?);
        }
        Ok(started)
    }

    /// The version of DTM that takes part.
    pub fn dtm_version(&self) -> &str {
        &self.binary.version
    }

    /// Raw DTM against orchestrators.
    pub async fn against(&self, case: Case, all: &[Orchestrator]) -> anyhow::Result<Arena> {
        let mut corners = self.raw_corners(case).await?;
        for one in all {
            let through = Through::new(&one.address, Deed::Noop(case.shape()), &one.witness).await?;
            let dtm = one.dtm.as_ref().map(|dtm| &dtm.client);
            corners.push(Corner::amends(one.driver, through, dtm, one.crew()));
        }
        Ok(Arena { case, corners })
    }

    /// Raw DTM against whole systems.
    pub async fn against_systems(&self, case: Case, all: &[System]) -> anyhow::Result<Arena> {
        let mut corners = self.raw_corners(case).await?;
        for system in all {
            corners.push(system.corner().await?);
        }
        Ok(Arena { case, corners })
    }

    async fn raw_corners(&self, case: Case) -> anyhow::Result<Vec<Corner>> {
        let mut corners = Vec::new();
        for (store, dtm) in &self.raws {
            let raw = Raw::new(&dtm.client, &self.participant, case.shape()).await?;
            corners.push(Corner::raw(*store, raw, &dtm.client, Crew::new(dtm.members())));
        }
        Ok(corners)
    }
}

/// How many looks into history files were made; an error if one found too little.
pub fn verdict<'a>(witnesses: impl Iterator<Item = &'a Witness>) -> anyhow::Result<usize> {
    witnesses.map(Witness::verdict).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_combination_takes_part_once() {
        let stores = [Store::Boltdb, Store::Redis];
        let all = drivers(&[Coordinator::Auto, Coordinator::Dtm, Coordinator::Embedded], &stores);
        assert_eq!(all, [Driver::Dtm(Store::Boltdb), Driver::Dtm(Store::Redis), Driver::Embedded]);
        assert_eq!(drivers(&[Coordinator::Embedded], &stores), [Driver::Embedded]);
    }
}
