//! Flags of the console. Knows no page.

use std::net::{Ipv4Addr, SocketAddr};

/// Default port of the console.
const CONSOLE_PORT: u16 = 7480;

/// Where the console listens, and by which names it answers.
#[derive(Debug, Clone, clap::Args)]
pub struct ConsoleArgs {
    /// Address of the web console, for example 127.0.0.1:7480; port 0 takes any free port
    #[arg(long, env = "AMENDS_CONSOLE_LISTEN", value_name = "HOST:PORT")]
    console_listen: Option<SocketAddr>,
    /// A name by which browsers reach the console, besides localhost and plain addresses; repeat for each
    #[arg(long = "console-name", env = "AMENDS_CONSOLE_NAMES", value_delimiter = ',', value_name = "HOST")]
    console_names: Vec<String>,
}

impl ConsoleArgs {
    /// Where it listens.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.console_listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, CONSOLE_PORT)))
    }

    /// Names besides localhost and addresses.
    pub(crate) fn names(&self) -> Vec<String> {
        self.console_names.iter().map(|name| name.to_ascii_lowercase()).collect()
    }
}
