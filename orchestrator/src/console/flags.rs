//! Flags of the console, and its port. Knows no page.

use amends_serve::listener::{self, ListenError};
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use tokio::net::TcpListener;

/// Default port of the console.
const CONSOLE_PORT: u16 = 7480;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listen {
    Off,
    At(SocketAddr),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse().map(Self::At).map_err(|error| format!("{error}; or `off`"))
    }
}

/// Stands for the id in the address of a trace.
const TRACE_ID: &str = "{trace_id}";

/// Where the console listens, and by which names it answers.
#[derive(Debug, Clone, clap::Args)]
pub struct ConsoleArgs {
    /// Address of the web console, for example 127.0.0.1:7480; port 0 takes any free port, `off` serves none. Without it:
    /// 127.0.0.1:7480, or none where that is taken
    #[arg(long, env = "AMENDS_CONSOLE_LISTEN", value_name = "HOST:PORT|off")]
    console_listen: Option<Listen>,
    /// A name by which browsers reach the console, besides localhost and plain addresses; repeat for each
    #[arg(long = "console-name", env = "AMENDS_CONSOLE_NAMES", value_delimiter = ',', value_name = "HOST")]
    console_names: Vec<String>,
    /// Where a trace is looked at, as a link of the console: an address in which {trace_id} stands for the trace's
    #[arg(long, env = "AMENDS_TRACE_URL", value_name = "URL", default_value = "", value_parser = trace_url, hide_default_value = true)]
    trace_url: String,
}

/// Empty, or the address of a page in which the trace's id has its place.
fn trace_url(text: &str) -> Result<String, String> {
    let web = text.starts_with("http://") || text.starts_with("https://");
    if text.is_empty() || web && text.contains(TRACE_ID) {
        return Ok(text.to_owned());
    }
    Err(format!("must be http:// or https:// with {TRACE_ID} in it"))
}

impl ConsoleArgs {
    /// Listens; `None` = there is to be no console.
    ///
    /// # Errors
    /// Where the address that was asked for is taken.
    pub(crate) async fn bind(&self) -> Result<Option<TcpListener>, ListenError> {
        open(self.console_listen, SocketAddr::from((Ipv4Addr::LOCALHOST, CONSOLE_PORT))).await
    }

    /// Where a trace is looked at; `None` = nowhere that is known.
    pub(crate) fn trace_url(&self) -> Option<TraceUrl> {
        (!self.trace_url.is_empty()).then(|| TraceUrl(self.trace_url.clone()))
    }

    /// Names besides localhost and addresses.
    pub(crate) fn names(&self) -> Vec<String> {
        self.console_names.iter().map(|name| name.to_ascii_lowercase()).collect()
    }
}

/// Nobody asked for the address by default: global transactions are worth more than their pages, so a process that cannot
/// have it does its work without.
async fn open(asked: Option<Listen>, default: SocketAddr) -> Result<Option<TcpListener>, ListenError> {
    match asked {
        Some(Listen::Off) => Ok(None),
        Some(Listen::At(address)) => listener::bind(address).await.map(Some),
        None => Ok(listener::bind(default).await.map_or_else(
            |error| {
                let why = error.source.to_string();
                tracing::warn!(address = %default, why, "no console: its address is taken; give --console-listen, or `off`");
                None
            },
            Some,
        )),
    }
}

/// The address of traces.
#[derive(Debug, Clone)]
pub struct TraceUrl(String);

impl TraceUrl {
    /// Of this one. An id is hexadecimal: nothing in it needs to be encoded.
    pub(crate) fn of(&self, trace_id: &str) -> String {
        self.0.replace(TRACE_ID, trace_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_default_is_no_reason_not_to_start() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let taken = listener::bind(any).await.unwrap();
        let address = taken.local_addr().unwrap();
        assert!(open(None, address).await.unwrap().is_none(), "goes on without");
        assert!(open(Some(Listen::At(address)), any).await.is_err(), "what was asked for by name is needed");
        assert!(open(Some(Listen::Off), any).await.unwrap().is_none());
        assert!(open(None, any).await.unwrap().is_some());
        assert_eq!("off".parse(), Ok(Listen::Off));
        assert_eq!(address.to_string().parse(), Ok(Listen::At(address)));
        assert!("of".parse::<Listen>().is_err());
    }

    #[test]
    fn a_trace_is_a_page_with_its_id() {
        let url = TraceUrl(trace_url("http://jaeger:16686/trace/{trace_id}").unwrap());
        assert_eq!(url.of("0af7"), "http://jaeger:16686/trace/0af7");
        for wrong in ["javascript:{trace_id}", "http://jaeger/trace", "{trace_id}"] {
            assert!(trace_url(wrong).is_err(), "{wrong}");
        }
        assert_eq!(trace_url("").as_deref(), Ok(""), "an empty setting is none");
    }
}
