//! What DTM servers can keep their data on, each server on one of its own. Knows no DTM server.
use amends_stack::{DatabaseError, Postgres, Redis};

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Store {
    /// DTM's embedded one
    Boltdb,
    /// A Redis of its own that syncs each write (appendfsync always); needs redis-server
    Redis,
    /// A PostgreSQL cluster of its own; needs postgres
    Postgres,
}

impl Store {
    /// As rows name it.
    pub fn name(self) -> &'static str {
        match self {
            Store::Boltdb => "boltdb",
            Store::Redis => "redis",
            Store::Postgres => "postgres",
        }
    }

    /// As people write it.
    pub fn title(self) -> &'static str {
        match self {
            Store::Boltdb => "BoltDB",
            Store::Redis => "Redis",
            Store::Postgres => "PostgreSQL",
        }
    }

    /// Starts what a DTM server needs for it.
    pub async fn start(self) -> Result<Backing, DatabaseError> {
        match self {
            Store::Boltdb => Ok(Backing { settings: Vec::new(), server: None }),
            Store::Redis => {
                let redis = Redis::start().await?;
                Ok(Backing { settings: redis.dtm_settings(), server: Some(Server::Redis(redis)) })
            }
            Store::Postgres => {
                let postgres = Postgres::start().await?;
                let settings = postgres.create_dtm_database("dtm").await?;
                Ok(Backing { settings, server: Some(Server::Postgres(postgres)) })
            }
        }
    }
}

/// A running store. Dropping it ends it and removes its data.
pub struct Backing {
    /// What its DTM server has to be told: `STORE_*`.
    pub settings: Vec<(String, String)>,
    server: Option<Server>,
}

impl Backing {
    /// The process of its server, if it has one.
    pub fn pid(&self) -> Option<u32> {
        match self.server.as_ref()? {
            Server::Redis(redis) => redis.pid(),
            Server::Postgres(postgres) => postgres.pid(),
        }
    }
}

enum Server {
    Redis(Redis),
    Postgres(Postgres),
}
