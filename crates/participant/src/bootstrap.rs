//! How a participant becomes a process: flags, key, traces, database, guard, listener, server, in that order. Knows no
//! method: a service brings its routes.

use std::future::Future;
use std::sync::Arc;

use amends_serve::ProcessArgs;
use amends_serve::grpc::{self, ServeError};
use amends_serve::listener::{self, ListenError};
use amends_serve::store::{Store, StoreError};
use amends_serve::traces;
use sea_orm::DbErr;
use sea_orm_migration::MigratorTrait;
use tonic::service::Routes;

use crate::args::{BranchArgs, BranchArgsError};
use crate::clock::SystemClock;
use crate::guard::Guard;

/// Flags of a participant that has none of its own.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Flags of every process.
    #[command(flatten)]
    pub process: ProcessArgs,
    /// Flags of every participant.
    #[command(flatten)]
    pub branch: BranchArgs,
}

/// What a participant is to its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Participant {
    /// Name of the role, also of its database file.
    pub role: &'static str,
    /// Full name of its gRPC service, whose health is told.
    pub service_name: &'static str,
    /// Port without `--listen`.
    pub default_port: u16,
}

/// The participant could not start, or broke down.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// Branch calls cannot be authenticated.
    #[error(transparent)]
    Auth(#[from] BranchArgsError),
    /// The collector of traces is not one.
    #[error("--otlp-endpoint")]
    Collector(#[source] tonic::transport::Error),
    /// The database cannot be opened or is behind.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The server broke down.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The database could not be closed.
    #[error("the database could not be closed")]
    Close(#[source] DbErr),
}

impl Participant {
    /// Runs until `shutdown` ends: what [`Participant::open`] and [`Opened::serve`] do, with nothing in between.
    ///
    /// # Errors
    /// The key cannot be read, the database not opened, the address not listened on, or the server broke down.
    pub async fn run<M: MigratorTrait>(
        self,
        args: &Args,
        routes: impl FnOnce(Store, Guard) -> Routes,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), BootstrapError> {
        let opened = self.open::<M>(&args.process, &args.branch).await?;
        let routes = routes(opened.guard.store().clone(), opened.guard.clone());
        opened.serve(routes, shutdown).await?;
        opened.close().await
    }

    /// Reads the key, finds the collector of traces, opens the database and brings it to the schema of `M`.
    ///
    /// # Errors
    /// The key cannot be read or the database not opened.
    pub async fn open<'a, M: MigratorTrait>(
        self,
        process: &'a ProcessArgs,
        branch: &BranchArgs,
    ) -> Result<Opened<'a>, BootstrapError> {
        let auth = branch.auth()?;
        traces::install(&process.traces, self.role).map_err(BootstrapError::Collector)?;
        let store = process.open_store::<M>(self.role).await?;
        let guard = Guard::new(store, auth, Arc::new(SystemClock));
        Ok(Opened { participant: self, process, guard })
    }
}

/// A participant with its database, before and while it listens.
pub struct Opened<'a> {
    participant: Participant,
    process: &'a ProcessArgs,
    /// Its guard, over its database.
    pub guard: Guard,
}

impl Opened<'_> {
    /// Listens and serves these routes until `shutdown` ends.
    ///
    /// # Errors
    /// The address cannot be listened on, or the server broke down.
    pub async fn serve(
        &self,
        routes: Routes,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), BootstrapError> {
        let Participant { role, service_name, default_port } = self.participant;
        let address = self.process.listen_or(default_port);
        let listener = listener::bind(address).await?;
        let address = listener.local_addr().map_err(|source| ListenError { address, source })?;
        tracing::info!(role, %address, "listening");
        Ok(grpc::serve(listener, routes, self.process.grpc_options(&[service_name]), shutdown).await?)
    }

    /// Closes the database, and sends the last spans.
    ///
    /// # Errors
    /// The database could not be closed.
    pub async fn close(self) -> Result<(), BootstrapError> {
        let closed = self.guard.store().close().await.map_err(BootstrapError::Close);
        traces::flush().await;
        closed
    }
}
