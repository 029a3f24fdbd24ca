//! The ports of a data folder: chosen once, then kept in `ports.json`, because DTM stores the relay's address for ever.
//!
//! Free ports are taken below the kernel's ephemeral range: a port in it could be given to anybody's outgoing
//! connection while its owner is being restarted, even to a client that is dialling that very port.
use crate::{PortChoice, StackError};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

/// First port of the first block.
const FIRST: u16 = 10_240;
/// Ports of one stack: more than there are names, so that later versions find room.
const BLOCK: u16 = 16;
/// Blocks below the ephemeral range, which begins at 32,768.
const BLOCKS: u16 = (32_768 - FIRST) / BLOCK;

/// One port for each listener of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// The orchestrator's API.
    pub orchestrator: u16,
    /// What DTM calls.
    pub relay: u16,
    /// Console, `/metrics`, `/healthz`.
    pub console: u16,
    /// The order service.
    pub order: u16,
    /// The account service.
    pub account: u16,
    /// The inventory service.
    pub inventory: u16,
    /// The points service.
    pub points: u16,
    /// The payment gateway.
    pub gateway: u16,
    /// The gateway's callbacks over HTTP.
    pub gateway_http: u16,
    /// The simulated PSP.
    pub psp: u16,
    /// DTM's gRPC interface.
    pub dtm_grpc: u16,
    /// DTM's HTTP interface.
    pub dtm_http: u16,
    /// DTM's JSON-RPC interface, unused but always opened by it.
    pub dtm_json_rpc: u16,
}

impl Ports {
    /// The documented ports.
    pub const DEFAULT: Ports = Ports {
        orchestrator: 7400,
        relay: 7401,
        console: 7480,
        order: 7411,
        account: 7412,
        inventory: 7413,
        points: 7414,
        gateway: 7415,
        gateway_http: 7485,
        psp: 7416,
        dtm_grpc: 36790,
        dtm_http: 36789,
        dtm_json_rpc: 36791,
    };

    fn of_block(base: u16) -> Ports {
        Ports {
            orchestrator: base,
            relay: base + 1,
            console: base + 2,
            order: base + 3,
            account: base + 4,
            inventory: base + 5,
            points: base + 6,
            gateway: base + 7,
            gateway_http: base + 8,
            psp: base + 9,
            dtm_grpc: base + 10,
            dtm_http: base + 11,
            dtm_json_rpc: base + 12,
        }
    }

    fn named(&self) -> [(&'static str, u16); 13] {
        [
            ("orchestrator", self.orchestrator),
            ("relay", self.relay),
            ("console", self.console),
            ("order", self.order),
            ("account", self.account),
            ("inventory", self.inventory),
            ("points", self.points),
            ("gateway", self.gateway),
            ("gateway callbacks", self.gateway_http),
            ("psp", self.psp),
            ("DTM gRPC", self.dtm_grpc),
            ("DTM HTTP", self.dtm_http),
            ("DTM JSON-RPC", self.dtm_json_rpc),
        ]
    }

    /// The first port that somebody listens on. All interfaces are tried, because DTM binds all of them.
    fn first_taken(&self) -> Option<(&'static str, u16)> {
        self.named().into_iter().find(|(_, port)| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_err())
    }
}

/// Ports that belong to one running stack. The lock keeps other stacks on this machine out of the block.
pub(crate) struct Reserved {
    pub(crate) ports: Ports,
    _block: Option<File>,
}

/// Reads the ports of the data folder, or chooses and keeps them; all must be free now.
pub(crate) fn of_data_dir(data_dir: &Path, choice: PortChoice) -> Result<Reserved, StackError> {
    let path = data_dir.join("ports.json");
    let reserved = match std::fs::read(&path) {
        Ok(text) => {
            let ports = serde_json::from_slice(&text)
                .map_err(|source| StackError::PortsFile { path: path.clone(), source })?;
            Reserved { ports, _block: lock_block_of(&ports) }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let reserved = choose(choice)?;
            write(&path, &reserved.ports)?;
            reserved
        }
        Err(error) => return Err(StackError::file("read", path)(error)),
    };
    match reserved.ports.first_taken() {
        Some((name, port)) => Err(StackError::PortTaken { name, port }),
        None => Ok(reserved),
    }
}

fn choose(choice: PortChoice) -> Result<Reserved, StackError> {
    match choice {
        PortChoice::Default => Ok(Reserved { ports: Ports::DEFAULT, _block: None }),
        PortChoice::Free => free_block().ok_or(StackError::NoFreePorts),
    }
}

fn free_block() -> Option<Reserved> {
    let mut seed = [0; 2];
    getrandom::fill(&mut seed).ok()?;
    let start = u16::from_ne_bytes(seed) % BLOCKS;
    (0..BLOCKS).map(|step| (start + step) % BLOCKS).find_map(|index| {
        let block = lock_block(index)?;
        let ports = Ports::of_block(FIRST + index * BLOCK);
        ports.first_taken().is_none().then_some(Reserved { ports, _block: Some(block) })
    })
}

/// Takes the block's lock again when a data folder is reopened. Failing is no harm: the ports are probed anyway.
fn lock_block_of(ports: &Ports) -> Option<File> {
    let index = ports.orchestrator.checked_sub(FIRST)? / BLOCK;
    if index < BLOCKS { lock_block(index) } else { None }
}

fn lock_block(index: u16) -> Option<File> {
    let folder = std::env::temp_dir().join("amends-ports");
    std::fs::create_dir_all(&folder).ok()?;
    let file = File::options().create(true).append(true).open(folder.join(format!("{index}.lock"))).ok()?;
    file.try_lock().ok()?;
    Some(file)
}

/// Writes the file under another name first: after a crash it is either there in full or not at all.
fn write(path: &Path, ports: &Ports) -> Result<(), StackError> {
    let text = serde_json::to_vec_pretty(ports)
        .map_err(|source| StackError::PortsFile { path: path.to_owned(), source })?;
    let draft = path.with_extension("json.new");
    let write = || {
        std::fs::write(&draft, text)?;
        File::open(&draft)?.sync_all()?;
        std::fs::rename(&draft, path)
    };
    write().map_err(StackError::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_folder_keeps_its_ports() {
        let folder = tempfile::tempdir().unwrap();
        let first = of_data_dir(folder.path(), PortChoice::Free).unwrap().ports;
        let second = of_data_dir(folder.path(), PortChoice::Default).unwrap().ports;
        assert_eq!(first, second);
    }

    #[test]
    fn two_stacks_never_share_a_block() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = of_data_dir(a.path(), PortChoice::Free).unwrap();
        let second = of_data_dir(b.path(), PortChoice::Free).unwrap();
        assert_ne!(first.ports.orchestrator, second.ports.orchestrator);
    }

    #[test]
    fn a_taken_port_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let ports = of_data_dir(folder.path(), PortChoice::Free).unwrap().ports;
        let _squatter = TcpListener::bind((Ipv4Addr::UNSPECIFIED, ports.inventory)).unwrap();
        let error = of_data_dir(folder.path(), PortChoice::Free).map(|_| ()).unwrap_err();
        assert!(matches!(error, StackError::PortTaken { name: "inventory", .. }), "{error}");
    }

    #[test]
    fn a_broken_file_is_an_error_and_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ports.json"), "{}").unwrap();
        let error = of_data_dir(folder.path(), PortChoice::Free).map(|_| ()).unwrap_err();
        assert!(matches!(error, StackError::PortsFile { .. }), "{error}");
        assert_eq!(std::fs::read(folder.path().join("ports.json")).unwrap(), b"{}");
    }
}
