//! The flags that every role of the one command has. Knows no role by itself: a role brings its name and its port.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use sea_orm_migration::MigratorTrait;

use crate::grpc::GrpcOptions;
use crate::store::{Store, StoreError};
use crate::telemetry::{self, LogFormat};
use crate::traces::TraceArgs;

/// Flags of every process; a role flattens them into its own.
#[derive(Debug, Clone, clap::Args)]
pub struct ProcessArgs {
    /// Address to listen on, for example 127.0.0.1:7411; port 0 takes any free port
    #[arg(long, env = "AMENDS_LISTEN", value_name = "HOST:PORT")]
    pub listen: Option<SocketAddr>,
    /// Folder of the embedded database and of the keys
    #[arg(long, env = "AMENDS_DATA_DIR", value_name = "DIR", default_value = ".amends")]
    pub data_dir: PathBuf,
    /// Database: sqlite://path or postgres://…; default is sqlite://DATA_DIR/ROLE.db
    #[arg(long, env = "AMENDS_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Refuse to start instead of migrating a database that is behind
    #[arg(long, env = "AMENDS_NO_MIGRATE")]
    pub no_migrate: bool,
    /// Offer gRPC server reflection
    #[arg(long, env = "AMENDS_REFLECTION")]
    pub reflection: bool,
    /// How log lines look
    #[arg(long, env = "AMENDS_LOG_FORMAT", value_enum, default_value_t = LogFormat::Pretty)]
    pub log_format: LogFormat,
    /// Which log lines are written: levels of all, and of parts, as of `warn,amends_orchestrator=debug`
    #[arg(long, env = "AMENDS_LOG", value_name = "LEVELS", default_value = telemetry::LEVELS, value_parser = telemetry::levels)]
    pub log: String,
    /// Address of /metrics and /healthz, for example 127.0.0.1:9464; without it nobody listens for them
    #[arg(long, env = "AMENDS_METRICS", value_name = "HOST:PORT")]
    pub metrics: Option<SocketAddr>,
    /// Where traces go.
    #[command(flatten)]
    pub traces: TraceArgs,
}

impl ProcessArgs {
    /// The address to listen on: the flag, or `default_port` on the loopback address.
    pub fn listen_or(&self, default_port: u16) -> SocketAddr {
        self.listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, default_port)))
    }

    /// The database of `role`: the flag, or the SQLite file of that name in the data folder.
    pub fn database_url(&self, role: &str) -> String {
        match &self.database_url {
            Some(url) => url.clone(),
            None => format!("sqlite://{}", self.data_dir.join(format!("{role}.db")).display()),
        }
    }

    /// Opens the database of `role` and brings it to the schema of `M` (with `--no-migrate`: only checks it).
    pub async fn open_store<M: MigratorTrait>(&self, role: &str) -> Result<Store, StoreError> {
        self.open_store_as::<M>(role, None).await
    }

    /// The same, with sessions of that name on PostgreSQL.
    pub async fn open_store_as<M: MigratorTrait>(
        &self,
        role: &str,
        session: Option<&str>,
    ) -> Result<Store, StoreError> {
        let store = Store::open_as(&self.database_url(role), session).await?;
        if self.no_migrate {
            store.require_migrated::<M>().await?;
        } else {
            store.migrate::<M>().await?;
        }
        Ok(store)
    }

    /// Options of the gRPC server as these flags say; `services` are the full names whose health is told.
    pub fn grpc_options(&self, services: &[&str]) -> GrpcOptions {
        GrpcOptions {
            reflection: self.reflection,
            services: services.iter().map(ToString::to_string).collect(),
            ..GrpcOptions::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ProcessArgs;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        process: ProcessArgs,
    }

    #[test]
    fn the_database_lies_in_the_data_folder_unless_a_url_is_given() {
        let cli = Cli::parse_from(["amends", "--data-dir", "/tmp/a"]);
        assert_eq!(cli.process.database_url("order"), "sqlite:///tmp/a/order.db");
        let cli = Cli::parse_from(["amends", "--database-url", "postgres://h/db"]);
        assert_eq!(cli.process.database_url("order"), "postgres://h/db");
    }

    #[test]
    fn without_a_flag_a_role_listens_on_loopback_only() {
        let cli = Cli::parse_from(["amends"]);
        assert_eq!(cli.process.listen_or(7411).to_string(), "127.0.0.1:7411");
    }
}
