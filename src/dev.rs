//! `amends dev`: the whole system on this machine until Ctrl-C. Knows the stack, nothing of what runs on it.
use crate::coordinator::{self, CoordinatorArg};
use crate::exit::Exit;
use crate::output::{Format, Paint, Tone, print_json, print_text, table};
use amends_serve::traces::TraceArgs;
use amends_stack::{Coordinator, PortChoice, Role, Stack, StackConfig};
use anyhow::Context as _;
use std::path::PathBuf;

/// Runs the whole system on this machine, kept below one folder, until Ctrl-C
#[derive(Debug, clap::Args)]
pub struct Dev {
    /// Where everything is kept
    #[arg(long, env = "AMENDS_DATA_DIR", value_name = "DIR", default_value = ".amends")]
    data_dir: PathBuf,
    /// Any free ports instead of 7400 and so on; a folder that was used before keeps its ports
    #[arg(long)]
    free_ports: bool,
    #[command(flatten)]
    coordinator: CoordinatorArg,
    #[command(flatten)]
    traces: TraceArgs,
}

impl Dev {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let shutdown = amends_serve::shutdown::signal();
        tokio::pin!(shutdown);
        let ports = if self.free_ports { PortChoice::Free } else { PortChoice::Default };
        let program = std::env::current_exe().context("find this program")?;
        let config = StackConfig::new(program, &self.data_dir)
            .ports(ports)
            .coordinator(self.coordinator.into())
            // On this machine alone, and for those who write participants: `conform` and others ask it.
            .reflection()
            .traces(self.traces.collector(), self.traces.trace_sample);
        let stack = tokio::select! {
            stack = Stack::start(config) => stack.context("start the system")?,
            () = &mut shutdown => return Ok(Exit::Ok),
        };
        coordinator::tell(&stack);
        match format {
            Format::Json => print_json(&addresses(&stack))?,
            Format::Text => print_text(&welcome(&stack))?,
        }
        shutdown.await;
        if format == Format::Text {
            print_text("draining …\n")?;
        }
        stack.stop().await;
        Ok(Exit::Ok)
    }
}

/// Which processes run: for people.
pub fn processes(stack: &Stack) -> String {
    let rows = stack.roles().map(|role| {
        let pid = stack.pid(role).map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        vec![role.to_string(), pid, stack.address(role), remark(stack, role)]
    });
    table(&["process", "pid", "address", ""], &["pid"], rows.collect())
}

fn remark(stack: &Stack, role: Role) -> String {
    match role {
        Role::Dtm => {
            let (version, http) =
                (stack.dtm_version().unwrap_or_default(), stack.dtm_http().unwrap_or_default());
            format!("DTM server {version}, store BoltDB, HTTP at {http}")
        }
        Role::Psp => "simulated payment service provider, SQLite".to_owned(),
        Role::Orchestrator => format!("gRPC API, history in SQLite; {}", driver(stack)),
        Role::Order | Role::Account | Role::Inventory | Role::Points | Role::Gateway => {
            "participant, SQLite".to_owned()
        }
    }
}

fn driver(stack: &Stack) -> String {
    match stack.coordinator() {
        Coordinator::Dtm => format!("DTM calls its relay at 127.0.0.1:{}", stack.ports().relay),
        Coordinator::Embedded => "it is the coordinator itself".to_owned(),
    }
}

/// Which processes run: for machines.
pub fn addresses(stack: &Stack) -> serde_json::Value {
    let processes = stack.roles().map(|role| {
        serde_json::json!({"role": role.as_str(), "pid": stack.pid(role), "address": stack.address(role)})
    });
    serde_json::json!({
        "data_dir": stack.data_dir(),
        "coordinator": stack.coordinator().as_str(),
        "notice": stack.notice(),
        "dtm_version": stack.dtm_version(),
        "dtm_http": stack.dtm_http(),
        "console": stack.console(),
        "processes": processes.collect::<Vec<_>>(),
    })
}

fn welcome(stack: &Stack) -> String {
    let target = stack.address(Role::Orchestrator);
    let target = if target == "127.0.0.1:7400" { String::new() } else { format!(" --target {target}") };
    let paint = Paint::detect();
    format!(
        "{title}\n{console}\n\n{processes}\nCoordinator: {coordinator}. Everything is below {folder}; logs are in {folder}/logs.\n\n{example}\n{steps}\n",
        title = paint.tone(Tone::Strong, "Amends is up. Ctrl-C drains and ends it."),
        console = paint.tone(Tone::Strong, &format!("Console: {}", stack.console())),
        processes = processes(stack),
        coordinator = coordinator::name(stack),
        folder = stack.data_dir().display(),
        example = paint.tone(Tone::Strong, "Start a checkout, for example:"),
        steps = example(&target),
    )
}

/// An order that will be refused for want of stock until somebody seeds some: that, too, can be looked at.
fn example(target: &str) -> String {
    format!(
        r#"  echo '{{"merchant_id":"demo","out_trade_no":"1","user_id":"alice","total":{{"minor_units":500,"currency":"USD"}},
    "lines":[{{"sku":"tea","quantity":1,"unit_price":{{"minor_units":500,"currency":"USD"}}}}],
    "card":{{"psp":"sim","method":"card","card_token":"tok_ok"}}}}' | amends start checkout --mode saga --input - --wait 10{target}
  amends list{target}

On a new system there is no stock yet, so it is refused and undone; docs/tutorials/start.md stocks some, `amends demo` does too."#
    )
}
