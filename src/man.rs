//! `amends man`: manual pages, made from the same description of the command line that parses it. Knows no verb.
use crate::exit::Exit;
use crate::output::print_text;
use anyhow::Context as _;
use clap::Command;
use std::path::{Path, PathBuf};

/// Prints the manual page, or writes one page for each verb
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amends man --dir ~/.local/share/man/man1 && man amends-start")]
pub struct Man {
    /// Write amends.1, amends-start.1, … into this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    /// Runs the verb on the whole command line.
    pub fn run(self, command: Command) -> anyhow::Result<Exit> {
        match self.dir {
            Some(folder) => write(command, &folder)?,
            None => print_text(&page(command)?)?,
        }
        Ok(Exit::Ok)
    }
}

fn page(command: Command) -> anyhow::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.disable_help_subcommand(true))
        .render(&mut page)
        .context("make the page")?;
    String::from_utf8(page).context("the page is not text")
}

fn write(command: Command, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    clap_mangen::generate_to(command, folder).with_context(|| format!("write to {}", folder.display()))
}
