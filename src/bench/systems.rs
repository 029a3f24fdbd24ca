//! Whole systems under load: the five services, the payment service provider and an orchestrator, for checkouts.
//! Knows how they are started, nothing of what they are asked.
use super::arena::Corner;
use super::crew::{Crew, Part};
use super::processes::Driver;
use super::store::Backing;
use super::through::{self, Deed, Through};
use super::witness::Witness;
use crate::demo::shop::Shop;
use amends_dtm::client::{DtmClient, DtmEndpoints};
use amends_stack::{CoordinatorChoice, Role, Stack, StackConfig};
use anyhow::Context as _;
use std::path::Path;
use std::sync::Arc;

/// A running system with full wallets and shelves.
pub struct System {
    pub witness: Arc<Witness>,
    driver: Driver,
    stack: Stack,
    backing: Option<Backing>,
}

impl System {
    /// Starts one in `folder`.
    pub async fn start(folder: &Path, driver: Driver) -> anyhow::Result<System> {
        let program = std::env::current_exe().context("find this program")?;
        let mut config = StackConfig::new(program, folder);
        let backing = match driver {
            Driver::Embedded => {
                config = config.coordinator(CoordinatorChoice::Embedded);
                None
            }
            Driver::Dtm(store) => {
                let backing = store.start().await?;
                config = config.coordinator(CoordinatorChoice::Dtm);
                for (name, value) in &backing.settings {
                    config = config.env(Role::Dtm, name, value);
                }
                Some(backing)
            }
        };
        let stack = Stack::start(config).await?;
        through::seed(&Shop::open(&stack).await?).await?;
        Ok(System { witness: Witness::new(stack.data_dir()), driver, stack, backing })
    }

    /// Its side of the arena.
    pub async fn corner(&self) -> anyhow::Result<Corner> {
        let through =
            Through::new(&self.stack.address(Role::Orchestrator), Deed::Checkout, &self.witness).await?;
        let dtm = match self.driver {
            Driver::Embedded => None,
            Driver::Dtm(_) => {
                let grpc = format!("grpc://{}", self.stack.address(Role::Dtm));
                Some(DtmClient::new(&DtmEndpoints::parse(&grpc, self.stack.dtm_http().as_deref())?)?)
            }
        };
        Ok(Corner::amends(self.driver, through, dtm.as_ref(), self.crew()))
    }

    /// Everybody who works for it.
    fn crew(&self) -> Crew {
        let processes = self.stack.roles().filter_map(|role| Some((part(role), self.stack.pid(role)?)));
        let store = self.backing.as_ref().and_then(Backing::pid).map(|pid| (Part::Store, pid));
        Crew::new(processes.chain(store))
    }

    /// Lets it drain.
    pub async fn stop(self) {
        self.stack.stop().await;
    }
}

fn part(role: Role) -> Part {
    match role {
        Role::Dtm => Part::Dtm,
        Role::Psp => Part::Psp,
        Role::Order | Role::Account | Role::Inventory | Role::Points | Role::Gateway => Part::Services,
        Role::Orchestrator => Part::Orchestrator,
    }
}
