//! What Prometheus is told of a whole running system: figures that agree with the histories, and failures that show.
#![allow(clippy::unwrap_used)] // all of it is test code

mod figures;
mod page;
mod trouble;

use amends_testkit::{Coordinator, World, WorldConfig};
use page::Page;
use std::path::Path;

/// A system each of whose processes tells its figures on a port of its own.
async fn world(folder: &Path, coordinator: Coordinator) -> World {
    let mut config = WorldConfig::new(env!("CARGO_BIN_EXE_amends"), folder, coordinator);
    for role in Page::ROLES {
        config = config.env(role, [("AMENDS_METRICS".to_owned(), "127.0.0.1:0".to_owned())]);
    }
    World::start(&config).await
}
