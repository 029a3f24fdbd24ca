//! Where a DTM server listens.

use std::fmt;
use std::str::FromStr;

use super::DtmError;

/// The two interfaces of one DTM server, each as `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DtmEndpoints {
    /// gRPC, 36790 unless configured otherwise.
    pub grpc: String,
    /// HTTP, 36789 unless configured otherwise.
    pub http: String,
}

impl DtmEndpoints {
    /// Reads `grpc://host:port` and `http://host:port`; without the second, HTTP is one port below gRPC.
    pub fn parse(grpc: &str, http: Option<&str>) -> Result<DtmEndpoints, DtmError> {
        let grpc = authority(grpc, &["grpc://", "http://"])?;
        let http = match http {
            Some(http) => authority(http, &["http://"])?,
            None => below(&grpc)?,
        };
        Ok(DtmEndpoints { grpc, http })
    }

    pub(crate) fn grpc_uri(&self) -> String {
        format!("http://{}", self.grpc)
    }

    pub(crate) fn http_base(&self) -> String {
        format!("http://{}", self.http)
    }
}

impl fmt::Display for DtmEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "grpc://{}", self.grpc)
    }
}

impl FromStr for DtmEndpoints {
    type Err = DtmError;
    fn from_str(text: &str) -> Result<DtmEndpoints, DtmError> {
        DtmEndpoints::parse(text, None)
    }
}

fn authority(text: &str, schemes: &[&str]) -> Result<String, DtmError> {
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    port_of(rest)?;
    Ok(rest.to_owned())
}

fn port_of(authority: &str) -> Result<(&str, u16), DtmError> {
    let split = authority.rsplit_once(':').filter(|(host, _)| !host.is_empty() && !host.contains('/'));
    split.and_then(|(host, port)| Some((host, port.parse().ok().filter(|port| *port > 0)?))).ok_or_else(
        || DtmError::InvalidRequest(format!("address of DTM: expected host:port, not `{authority}`")),
    )
}

fn below(grpc: &str) -> Result<String, DtmError> {
    let (host, port) = port_of(grpc)?;
    Ok(format!("{host}:{}", port - 1))
}

#[cfg(test)]
mod tests {
    use super::DtmEndpoints;

    #[test]
    fn http_is_one_port_below_grpc_unless_given() {
        let given = DtmEndpoints::parse("grpc://dtm:1000", Some("http://other:7/")).unwrap();
        assert_eq!((given.grpc.as_str(), given.http.as_str()), ("dtm:1000", "other:7"));
        let derived: DtmEndpoints = "grpc://[::1]:36790".parse().unwrap();
        assert_eq!((derived.grpc.as_str(), derived.http.as_str()), ("[::1]:36790", "[::1]:36789"));
    }

    #[test]
    fn an_address_without_host_or_port_is_refused() {
        for text in ["", "grpc://", "dtm", "dtm:", "dtm:0", ":36790", "https://dtm:1", "dtm:70000"] {
            assert!(text.parse::<DtmEndpoints>().is_err(), "{text}");
        }
    }
}
