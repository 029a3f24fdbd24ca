//! Why a run could not be carried out. That something was found is no error: see the report.
use amends_checkers::ReadError;
use amends_stack::StackError;
use std::path::{Path, PathBuf};

/// A run could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ChaosError {
    /// A process cannot be started, killed or frozen.
    #[error("the system does not start or end as it must")]
    Stack(#[from] StackError),
    /// Something could not be read at the end.
    #[error("the system cannot be read")]
    Read(#[from] ReadError),
    /// A file or a port cannot be used.
    #[error("cannot use {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A proxy cannot listen.
    #[error("a proxy cannot listen")]
    Proxy(#[source] std::io::Error),
    /// Not host:port.
    #[error("this is no address")]
    Address(#[from] tonic::transport::Error),
    /// The market could not be furnished.
    #[error("cannot {what}")]
    Market {
        /// What was being done.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<tonic::Status>,
    },
}

impl ChaosError {
    /// A file that cannot be used.
    pub(crate) fn file(path: &Path) -> impl Fn(std::io::Error) -> ChaosError {
        move |source| ChaosError::File { path: path.to_owned(), source }
    }

    /// The market could not be furnished.
    pub(crate) fn market(what: &'static str) -> impl Fn(tonic::Status) -> ChaosError {
        move |source| ChaosError::Market { what, source: Box::new(source) }
    }
}
