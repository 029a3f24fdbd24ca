//! What a port may answer to anything at all. Decided by values alone.
use crate::catalog::Kind;
use crate::shot::Outcome;

const UNKNOWN: i32 = 2;
const INTERNAL: i32 = 13;
/// The reason of a participant that found itself in a state that must not be.
const BROKEN: &str = "BROKEN";

/// Why this outcome must not be; none where it may.
#[must_use]
pub fn breach(kind: Kind, outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Status { code: UNKNOWN, message, .. } => Some(format!("UNKNOWN: {message}")),
        Outcome::Status { code: INTERNAL, message, detailed } => {
            (!is_said_by_contract(kind, message, *detailed)).then(|| format!("INTERNAL: {message}"))
        }
        Outcome::Status { code, message, .. } if !(0..=16).contains(code) => {
            Some(format!("no such code {code}: {message}"))
        }
        Outcome::Http(status) if *status >= 500 || *status < 300 => {
            Some(format!("HTTP {status} without a status"))
        }
        // What hyper says where a handler was dropped in the middle of its work.
        Outcome::Broken(why) if why.contains("unexpected internal error") => Some(format!("reset: {why}")),
        Outcome::Unreachable(why) => Some(format!("unreachable: {why}")),
        Outcome::Status { .. }
        | Outcome::Http(_)
        | Outcome::Broken(_)
        | Outcome::GaveUp
        | Outcome::Unsent(_)
        | Outcome::Heard { .. } => None,
    }
}

/// How an outcome is counted. An INTERNAL that a contract names is told apart from one that nobody thought of.
#[must_use]
pub fn label(outcome: &Outcome, breach: Option<&String>) -> String {
    let label = outcome.label();
    if breach.is_none() && label == "INTERNAL" { "INTERNAL by contract".to_owned() } else { label }
}

/// A second phase that cannot be carried out as it was asked has no other code: it must not refuse, and it is not
/// unfinished. Participants say so with a reason in the details.
fn is_said_by_contract(kind: Kind, message: &str, detailed: bool) -> bool {
    let reason = message.split('|').next().unwrap_or_default();
    let named = !reason.is_empty() && reason.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    matches!(kind, Kind::Branch(..)) && detailed && named && reason != BROKEN
}

#[cfg(test)]
mod tests {
    use super::{breach, label};
    use crate::catalog::Kind;
    use crate::shot::Outcome;

    fn status(code: i32, message: &str, detailed: bool) -> Outcome {
        Outcome::Status { code, message: message.to_owned(), detailed }
    }

    #[test]
    fn a_refusal_is_no_breach() {
        for outcome in [
            status(0, "", false),
            status(3, "INVALID_REQUEST|gid", true),
            status(12, "", false),
            Outcome::Http(415),
            Outcome::GaveUp,
            Outcome::Broken("connection error: enhance your calm".to_owned()),
        ] {
            assert_eq!(breach(Kind::Direct, &outcome), None, "{outcome:?}");
        }
    }

    #[test]
    fn what_nobody_thought_of_is_one() {
        let branch = Kind::Branch("tcc", "confirm");
        for (kind, outcome) in [
            (Kind::Direct, status(2, "transport", false)),
            (Kind::Direct, status(13, "failed to decode", false)),
            (Kind::Direct, status(13, "PHASE_CONFLICT|x", true)),
            (branch, status(13, "BROKEN|the service is not wrapped", true)),
            (branch, status(13, "PHASE_CONFLICT|no details", false)),
            (branch, status(13, "Missing request message.", true)),
            (Kind::Relay, status(-1, "", false)),
            (Kind::Direct, Outcome::Http(502)),
            (Kind::Direct, Outcome::Http(200)),
            (Kind::Direct, Outcome::Unreachable("refused".to_owned())),
        ] {
            assert!(breach(kind, &outcome).is_some(), "{outcome:?}");
        }
        let by_contract = status(13, "CONFIRM_WITHOUT_TRY|x", true);
        assert_eq!(breach(branch, &by_contract), None);
        assert_eq!(label(&by_contract, None), "INTERNAL by contract");
        assert_eq!(label(&by_contract, Some(&"why".to_owned())), "INTERNAL");
    }
}
