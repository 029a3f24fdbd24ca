//! A throwaway PostgreSQL cluster: a store for DTM, and for whatever of ours runs on PostgreSQL. Knows no table but
//! those that DTM expects.
use crate::database::{DatabaseError, Server, free_port, password, start_failed};
use rustix::process::Signal;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

const PROGRAM: &str = "postgres";
const PACKAGE: &str = "postgresql";
/// Where Debian puts the programs of each version.
const DEBIANS: &str = "/usr/lib/postgresql";
/// The cluster's superuser.
const SUPERUSER: &str = "amends";
/// Whom the server runs as if we are root, which it refuses: the first of them that this machine knows.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];
/// The tables that DTM expects.
const DTM_TABLES: &str = include_str!("../../../deploy/dtm-postgres.sql");
/// Room for a DTM server, orchestrators and a test's own connections; no sockets in a folder that may not be ours.
const SETTINGS: [&str; 3] = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=300"];

/// A running cluster on a free loopback port, in a folder of its own. Dropping it ends it and removes the folder.
pub struct Postgres {
    entrance: Entrance,
    account: Option<Account>,
    server: Server,
}

impl Postgres {
    /// Makes a cluster and starts it. Every commit is on disk before it is answered.
    ///
    /// # Errors
    /// Where it is not installed, or does not start.
    pub async fn start() -> Result<Postgres, DatabaseError> {
        let programs = programs().ok_or(DatabaseError::Missing { program: PROGRAM, package: PACKAGE })?;
        let failed = start_failed(PROGRAM);
        let account = Account::of_server().map_err(&failed)?;
        let folder = tempfile::Builder::new().prefix("amends-postgres-").tempdir().map_err(&failed)?;
        let password = password().map_err(&failed)?;
        let entrance = Entrance { port: free_port().map_err(&failed)?, programs, password };
        make_cluster(&folder, account, &entrance).await?;
        let server = Server::start(PROGRAM, entrance.server(account, folder.path()), folder)?;
        let mut postgres = Postgres { entrance, account, server };
        postgres.wait_ready().await?;
        Ok(postgres)
    }

    /// Ends the server: open transactions are rolled back, connections cut. The data stays.
    ///
    /// # Errors
    /// Where it cannot be ended.
    pub async fn stop(&mut self) -> Result<(), DatabaseError> {
        self.server.end(Signal::INT).await
    }

    /// Starts a stopped server again, with the same data on the same port.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn start_again(&mut self) -> Result<(), DatabaseError> {
        let command = self.entrance.server(self.account, self.server.folder());
        self.server.start_again(command)?;
        self.wait_ready().await
    }

    async fn wait_ready(&mut self) -> Result<(), DatabaseError> {
        self.server.wait_ready(async || self.entrance.answers().await).await
    }

    /// Runs statements with `psql`; the first that fails ends it.
    ///
    /// # Errors
    /// Where one fails.
    pub async fn run(&self, database: &str, statements: &str) -> Result<(), DatabaseError> {
        self.entrance.run(database, statements).await
    }

    /// Makes an empty database.
    ///
    /// # Errors
    /// Where there is one of that name already.
    pub async fn create_database(&self, name: &str) -> Result<(), DatabaseError> {
        self.entrance.run("postgres", &format!("CREATE DATABASE \"{name}\";")).await
    }

    /// Makes a database with the tables that DTM expects; gives back what makes a DTM server use it.
    ///
    /// # Errors
    /// Where there is one of that name already.
    pub async fn create_dtm_database(&self, name: &str) -> Result<Vec<(String, String)>, DatabaseError> {
        self.create_database(name).await?;
        self.entrance.run(name, DTM_TABLES).await?;
        let port = self.entrance.port.to_string();
        let settings = [
            ("STORE_DRIVER", "postgres"),
            ("STORE_HOST", "127.0.0.1"),
            ("STORE_PORT", &port),
            ("STORE_USER", SUPERUSER),
            ("STORE_PASSWORD", &self.entrance.password),
            ("STORE_DB", name),
            ("STORE_MAX_OPEN_CONNS", "80"),
        ];
        Ok(settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    /// Where its data is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// The URL of one of its databases.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let Entrance { port, password, .. } = &self.entrance;
        format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}")
    }
}

/// How a cluster is reached.
struct Entrance {
    programs: PathBuf,
    port: u16,
    password: String,
}

impl Entrance {
    fn server(&self, account: Option<Account>, folder: &Path) -> Command {
        let mut command = Account::command(account, &self.programs.join(PROGRAM));
        command.arg("-D").arg(data_of(folder)).arg("-p").arg(self.port.to_string());
        command.args(SETTINGS.into_iter().flat_map(|setting| ["-c", setting]));
        command
    }

    async fn answers(&self) -> bool {
        let mut probe = self.psql("postgres");
        probe.args(["--command", "SELECT 1"]).stdin(Stdio::null()).stdout(Stdio::null());
        probe.stderr(Stdio::null()).status().await.is_ok_and(|status| status.success())
    }

    /// Runs statements; the first that fails ends it.
    async fn run(&self, database: &str, statements: &str) -> Result<(), DatabaseError> {
        finish("psql", self.psql(database), statements).await
    }

    fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--host=127.0.0.1"]);
        psql.arg(format!("--port={}", self.port)).arg(format!("--username={SUPERUSER}")).arg(database);
        psql.env("PGPASSWORD", &self.password).kill_on_drop(true);
        psql
    }
}

/// A local user, by its numbers.
#[derive(Debug, Clone, Copy)]
struct Account {
    user: u32,
    group: u32,
}

impl Account {
    /// Whom the server has to run as; `None` = as us.
    fn of_server() -> io::Result<Option<Account>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = std::fs::read_to_string("/etc/passwd")?;
        let found = UNPRIVILEGED.iter().find_map(|name| Account::named(name, &users));
        found.map(Some).ok_or_else(|| io::Error::other("root may not run it, and there is no user for it"))
    }

    fn named(name: &str, users: &str) -> Option<Account> {
        let line = users.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let mut numbers = line.split(':').skip(1).map_while(|number| number.parse().ok());
        Some(Account { user: numbers.next()?, group: numbers.next()? })
    }

    fn command(account: Option<Account>, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some(Account { user, group }) = account {
            command.uid(user).gid(group);
        }
        command
    }
}

/// The folder with the programs of the newest version.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir(DEBIANS).into_iter().flatten().flatten();
    let numbered = versions.filter_map(|entry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((number, entry.path().join("bin")))
    });
    let debians = numbered.filter(|(_, folder)| folder.join(PROGRAM).is_file()).max();
    let on_path = || {
        let folders = std::env::var_os("PATH")?;
        let program = std::env::split_paths(&folders).map(|folder| folder.join(PROGRAM));
        let program = program.filter_map(|path| path.canonicalize().ok()).next()?;
        program.parent().map(Path::to_owned)
    };
    debians.map(|(_, folder)| folder).or_else(on_path)
}

async fn make_cluster(
    folder: &TempDir,
    account: Option<Account>,
    entrance: &Entrance,
) -> Result<(), DatabaseError> {
    let password = folder.path().join("password");
    let prepare = || {
        std::fs::write(&password, &entrance.password)?;
        let own = |path: &Path| match account {
            None => Ok(()),
            Some(Account { user, group }) => chown(path, Some(user), Some(group)),
        };
        own(&password).and_then(|()| own(folder.path()))
    };
    prepare().map_err(start_failed("initdb"))?;
    let mut initdb = Account::command(account, &entrance.programs.join("initdb"));
    initdb.args(["--no-sync", "--auth=md5", "--encoding=UTF8", "--locale=C"]);
    initdb.arg(format!("--username={SUPERUSER}")).arg("--pwfile").arg(&password);
    initdb.arg("--pgdata").arg(data_of(folder.path())).kill_on_drop(true);
    finish("initdb", initdb, "").await
}

fn data_of(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// Runs a program to its end; what it said is in the error.
async fn finish(program: &'static str, mut command: Command, input: &str) -> Result<(), DatabaseError> {
    let failed = start_failed(program);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(&failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends before it has read everything says why in its own words.
        stdin.write_all(input.as_bytes()).await.ok();
    }
    let output = child.wait_with_output().await.map_err(&failed)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    Err(DatabaseError::Ended { program, status: output.status, output: said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users = "root:x:0:0:root:/root:/bin/bash\npostgresql:x:7:8::/:/bin/sh\npostgres:x:101:104:,,,:/:/bin/sh\n";
        let account = Account::named("postgres", users).unwrap();
        assert_eq!((account.user, account.group), (101, 104));
        assert!(Account::named("nobody", users).is_none());
        assert!(Account::named("root", "root:x:zero:0:").is_none());
    }
}
