//! `--coordinator` of the verbs that start a whole system, and the line that says why it is not the one that people
//! expect. Knows no process.
use amends_stack::{Coordinator, CoordinatorChoice, Stack};

/// Who drives new global transactions
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct CoordinatorArg {
    /// Who drives new global transactions
    #[arg(long, value_enum, value_name = "WHICH", default_value = "auto")]
    coordinator: Choice,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Choice {
    /// DTM if its server is found or can be built, else embedded; with CI=true a missing server is an error
    Auto,
    /// The DTM server; a missing one is an error
    Dtm,
    /// The orchestrator itself, without DTM
    Embedded,
}

impl From<CoordinatorArg> for CoordinatorChoice {
    fn from(arg: CoordinatorArg) -> CoordinatorChoice {
        match arg.coordinator {
            Choice::Auto => CoordinatorChoice::Auto,
            Choice::Dtm => CoordinatorChoice::Dtm,
            Choice::Embedded => CoordinatorChoice::Embedded,
        }
    }
}

/// Tells on standard error what was chosen for people and not by them; standard output stays the verb's own.
pub fn tell(stack: &Stack) {
    if let Some(notice) = stack.notice() {
        eprintln!("notice: {notice}");
    }
}

/// For people: who drives, and on what.
pub fn name(stack: &Stack) -> String {
    match stack.coordinator() {
        Coordinator::Dtm => format!("DTM server {}", stack.dtm_version().unwrap_or_default()),
        Coordinator::Embedded => "embedded".to_owned(),
    }
}
