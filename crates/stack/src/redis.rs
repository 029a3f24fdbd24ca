//! A throwaway Redis that acknowledges a write only when it is on disk: one of the stores that DTM can be given.
use crate::database::{DatabaseError, Server, free_port, password, start_failed};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

const PROGRAM: &str = "redis-server";
const PACKAGE: &str = "redis-server";

/// A running Redis on a free loopback port, in a folder of its own. Dropping it ends it and removes the folder.
pub struct Redis {
    port: u16,
    password: String,
    server: Server,
}

impl Redis {
    /// Whether this machine has one.
    #[must_use]
    pub fn is_installed() -> bool {
        std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(PROGRAM).is_file()))
    }

    /// Starts one: every write is appended to its file and synced before it is answered, and nothing else is saved.
    ///
    /// # Errors
    /// Where it is not installed, or does not start.
    pub async fn start() -> Result<Redis, DatabaseError> {
        if !Redis::is_installed() {
            return Err(DatabaseError::Missing { program: PROGRAM, package: PACKAGE });
        }
        let failed = start_failed(PROGRAM);
        let folder = tempfile::Builder::new().prefix("amends-redis-").tempdir().map_err(&failed)?;
        let port = free_port().map_err(&failed)?;
        let password = password().map_err(&failed)?;
        let settings = folder.path().join("redis.conf");
        // In a file, because everybody can read the command line of a process.
        write_private(&settings, &configuration(port, &password)).map_err(&failed)?;
        let mut command = Command::new(PROGRAM);
        command.arg(&settings).current_dir(folder.path());
        let mut server = Server::start(PROGRAM, command, folder)?;
        server.wait_ready(async || answers(port, &password).await.unwrap_or(false)).await?;
        Ok(Redis { port, password, server })
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

    /// What a DTM server has to be told to keep its data here.
    #[must_use]
    pub fn dtm_settings(&self) -> Vec<(String, String)> {
        let port = self.port.to_string();
        let settings = [
            ("STORE_DRIVER", "redis"),
            ("STORE_HOST", "127.0.0.1"),
            ("STORE_PORT", &port),
            ("STORE_PASSWORD", &self.password),
        ];
        settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }
}

fn configuration(port: u16, password: &str) -> String {
    format!(
        "bind 127.0.0.1\nport {port}\nrequirepass {password}\ndaemonize no\nsave \"\"\nappendonly yes\n\
         appendfsync always\n"
    )
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::File::options().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

async fn answers(port: u16, password: &str) -> std::io::Result<bool> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await?;
    connection.write_all(format!("AUTH {password}\r\n").as_bytes()).await?;
    let mut answer = [0; 3];
    connection.read_exact(&mut answer).await?;
    Ok(&answer == b"+OK")
}
