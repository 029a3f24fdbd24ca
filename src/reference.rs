//! `amends reference`: pages that are made from the code, so that they cannot say anything else. Hidden: those who change
//! the code run it, and a test compares.
mod api;
mod markdown;
mod settings;

use crate::exit::Exit;
use anyhow::Context as _;
use clap::Command;
use std::path::{Path, PathBuf};

/// Writes the pages of the reference that are made from the code: the API and the settings
#[derive(Debug, clap::Args)]
pub struct Reference {
    /// The folder of the pages
    #[arg(long, value_name = "DIR", default_value = "docs")]
    dir: PathBuf,
}

/// One page.
struct Page {
    /// Below the folder of the pages.
    path: String,
    text: String,
}

impl Reference {
    /// Runs the verb; the settings are those of this command line.
    pub fn run(self, command: &Command) -> anyhow::Result<Exit> {
        let mut pages = api::pages()?;
        pages.push(settings::page(command)?);
        for page in pages {
            write(&self.dir, &page)?;
        }
        Ok(Exit::Ok)
    }
}

fn write(folder: &Path, page: &Page) -> anyhow::Result<()> {
    let path = folder.join(&page.path);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
    }
    std::fs::write(&path, &page.text).with_context(|| format!("write {}", path.display()))
}
