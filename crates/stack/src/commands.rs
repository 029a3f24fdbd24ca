//! The command line of each role. Knows the flags of `amends serve` and nothing else of the processes.
use crate::coordinator::Chosen;
use crate::launch::{Launch, Lifeline};
use crate::{Layout, Role, StackConfig};
use amends_dtm::binary::DtmBinary;
use amends_dtm::launcher::{DtmPorts, LocalDtm};
use std::ffi::OsString;
use tokio::process::Command;

/// How to start each process that belongs to the stack.
pub(crate) fn launches(layout: &Layout, config: &StackConfig, chosen: &Chosen) -> Vec<Launch> {
    let launch = |role| match (role, &chosen.dtm) {
        (Role::Dtm, dtm) => dtm.as_ref().map(|binary| dtm_launch(layout, config, binary)),
        (role, _) => Some(own_launch(role, layout, config, chosen)),
    };
    Role::ALL.into_iter().filter_map(launch).collect()
}

fn dtm_launch(layout: &Layout, config: &StackConfig, binary: &DtmBinary) -> Launch {
    let role = Role::Dtm;
    let env = extra_env(role, config);
    let local = local_dtm(layout, binary);
    let command = move || {
        let mut command = local.command().map_err(std::io::Error::other)?;
        command.envs(env.iter().cloned());
        Ok(command)
    };
    Launch { role, command: Box::new(command), log: layout.log(role), lifeline: Lifeline::Watcher }
}

fn own_launch(role: Role, layout: &Layout, config: &StackConfig, chosen: &Chosen) -> Launch {
    let env = extra_env(role, config);
    let program = config.program.clone();
    let key_file = layout.key_file();
    let args = serve_args(role, layout, config, chosen);
    let command = move || {
        let mut command = Command::new(&program);
        for name in foreign_settings() {
            command.env_remove(name);
        }
        command.args(&args).env("AMENDS_PLAN_MAC_KEY_FILE", &key_file).envs(env.iter().cloned());
        Ok(command)
    };
    Launch { role, command: Box::new(command), log: layout.log(role), lifeline: Lifeline::OwnStdin }
}

fn extra_env(role: Role, config: &StackConfig) -> Vec<(String, String)> {
    config.extra_env.get(&role).cloned().unwrap_or_default()
}

/// Settings in our own environment that were meant for one process, e.g. its database: not for these.
fn foreign_settings() -> impl Iterator<Item = OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with("AMENDS_") && !name.starts_with("AMENDS_LOG")
    })
}

fn local_dtm(layout: &Layout, binary: &DtmBinary) -> LocalDtm {
    let ports = layout.ports;
    let ports = DtmPorts { grpc: ports.dtm_grpc, http: ports.dtm_http, json_rpc: ports.dtm_json_rpc };
    LocalDtm::new(binary.clone(), layout.dtm_folder(), ports)
}

fn serve_args(role: Role, layout: &Layout, config: &StackConfig, chosen: &Chosen) -> Vec<OsString> {
    let mut args: Vec<OsString> = ["serve", "--exit-on-stdin-eof", role.as_str()].map(Into::into).into();
    args.extend(["--listen".into(), layout.address(role).into()]);
    args.extend(["--data-dir".into(), layout.data_dir.clone().into()]);
    args.extend(own_args(role, layout, config, chosen).into_iter().map(Into::into));
    args.extend(config.common_args.iter().map(Into::into));
    args.extend(config.extra_args.get(&role).into_iter().flatten().map(Into::into));
    args
}

/// The flags that only this role has.
fn own_args(role: Role, layout: &Layout, config: &StackConfig, chosen: &Chosen) -> Vec<String> {
    let local = |port: u16| format!("127.0.0.1:{port}");
    let found = |role| config.detours.get(&role).cloned().unwrap_or_else(|| layout.address(role));
    match role {
        Role::Dtm | Role::Psp | Role::Order | Role::Account | Role::Inventory | Role::Points => Vec::new(),
        Role::Gateway => vec!["--psp".to_owned(), found(Role::Psp)],
        Role::Orchestrator => {
            // For checkers, which nobody stands in the way of.
            let mut args = vec!["--psp".to_owned(), layout.address(Role::Psp)];
            args.extend(["--relay-listen".into(), local(layout.ports.relay)]);
            args.extend(["--console-listen".into(), local(layout.ports.console)]);
            args.extend(["--coordinator".into(), chosen.coordinator.to_string()]);
            if chosen.dtm.is_some() {
                args.extend(["--dtm".into(), format!("grpc://{}", found(Role::Dtm))]);
                args.extend(["--dtm-http".into(), format!("http://{}", local(layout.ports.dtm_http))]);
            }
            for participant in Role::PARTICIPANTS {
                let pair = format!("{participant}={}", found(participant));
                args.extend(["--participant".into(), pair]);
            }
            args
        }
    }
}
