//! How a verb ends: its exit code, and its error as one line or one JSON object. Knows no verb.
use crate::output::{Format, harmless};
use amends_dtm::code_name;
use amends_orchestrator::reason;
use amends_proto::amends::v1::Status as GlobalStatus;
use serde_json::json;
use std::process::ExitCode;

/// How a verb ended when nothing went wrong with the verb itself. Most usage errors (2) end inside clap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0.
    Ok,
    /// 1: it ran, and found that something is not as it must be.
    Unsound,
    /// 2: it was asked for what there is not, which only the other side could tell; the error is told already.
    Usage,
    /// 3: the global transaction ended FAILED or CANCELLED.
    Undone,
    /// 4: the global transaction is still running.
    Running,
}

impl Exit {
    /// What the status of a global transaction means for the exit code.
    pub fn of_status(status: GlobalStatus) -> Exit {
        match status {
            GlobalStatus::Succeeded => Exit::Ok,
            GlobalStatus::Failed | GlobalStatus::Cancelled => Exit::Undone,
            GlobalStatus::Unspecified
            | GlobalStatus::Accepted
            | GlobalStatus::Running
            | GlobalStatus::Compensating => Exit::Running,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Ok => 0,
            Exit::Unsound => 1,
            Exit::Usage => 2,
            Exit::Undone => 3,
            Exit::Running => 4,
        })
    }
}

/// Tells an error on standard error and gives its exit code.
pub fn report(error: &anyhow::Error, format: Format) -> ExitCode {
    let told = Told::of(error);
    match format {
        Format::Text => eprintln!("{}", harmless(&format!("error: {}", told.line()))),
        Format::Json => {
            let told = json!({"error": {"code": told.code, "reason": told.reason, "message": told.message}});
            eprintln!("{}", harmless(&told.to_string()));
        }
    }
    ExitCode::FAILURE
}

/// Tells on standard error what went well, and should be known all the same: as a line, or as one JSON object.
pub fn warn(text: &str, format: Format) {
    match format {
        Format::Text => eprintln!("{}", harmless(&format!("warning: {text}"))),
        Format::Json => eprintln!("{}", harmless(&json!({"warning": {"message": text}}).to_string())),
    }
}

/// An error as it is told.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    /// gRPC code name, or `ERROR` for what never reached a server.
    code: String,
    /// Machine-readable reason; empty = none.
    reason: String,
    message: String,
}

impl Told {
    fn of(error: &anyhow::Error) -> Told {
        match error.chain().find_map(|cause| cause.downcast_ref::<tonic::Status>()) {
            Some(status) => Told::of_status(error, status),
            None => Told { code: "ERROR".to_owned(), reason: String::new(), message: format!("{error:#}") },
        }
    }

    fn of_status(error: &anyhow::Error, status: &tonic::Status) -> Told {
        let (reason, text) = reason::split(status.message());
        let context: Vec<String> = error
            .chain()
            .take_while(|cause| cause.downcast_ref::<tonic::Status>().is_none())
            .map(ToString::to_string)
            .chain([text.to_owned()])
            .collect();
        Told {
            code: code_name(status.code()).to_owned(),
            reason: reason.to_owned(),
            message: context.join(": "),
        }
    }

    fn line(&self) -> String {
        let line = match (self.code.as_str(), self.reason.as_str()) {
            ("ERROR", _) => self.message.clone(),
            (code, "") => format!("{} ({code})", self.message),
            (code, reason) => format!("{} ({code} {reason})", self.message),
        };
        line.trim_end().replace("\n", "\n  ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_status_keeps_its_code_reason_and_text() {
        let status = tonic::Status::failed_precondition("PAST_PIVOT|money has left");
        let error = Err::<(), _>(status).context("cancel 42").unwrap_err();
        let told = Told::of(&error);
        assert_eq!(told.line(), "cancel 42: money has left (FAILED_PRECONDITION PAST_PIVOT)");
        assert_eq!((told.code.as_str(), told.reason.as_str()), ("FAILED_PRECONDITION", "PAST_PIVOT"));
    }

    #[test]
    fn every_status_has_one_meaning() {
        assert_eq!(Exit::of_status(GlobalStatus::Succeeded), Exit::Ok);
        assert_eq!(Exit::of_status(GlobalStatus::Cancelled), Exit::Undone);
        assert_eq!(Exit::of_status(GlobalStatus::Compensating), Exit::Running);
    }
}
