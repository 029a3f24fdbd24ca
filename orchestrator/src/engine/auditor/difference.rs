//! One thing on which history and another book differ, and what can be done about it. Values only: asks nobody.

use crate::history::bounded;
use crate::plan::OpRef;
use std::fmt::Write as _;

/// Something that a participant or the coordinator says otherwise than history.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The op concerned; `None` = the whole global transaction.
    pub at: Option<OpRef>,
    /// Who says what, for people. The same difference has the same text whenever it is seen.
    pub text: String,
    /// What is done about it.
    pub remedy: Remedy,
}

/// What is done about a difference. None of them changes a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// The participant is called again; its guard makes a repeat harmless.
    Call(OpRef),
    /// The coordinator is reminded, or what it lacks is driven from here.
    Remind,
    /// Nothing that is safe: a person has to look.
    Person,
}

impl Difference {
    /// Of one op.
    #[must_use]
    pub fn of(at: OpRef, text: String, remedy: Remedy) -> Self {
        Self { at: Some(at), text, remedy }
    }

    fn told(&self) -> String {
        let done = match self.remedy {
            Remedy::Call(_) => "called again",
            Remedy::Remind => "reminded",
            Remedy::Person => "needs a person",
        };
        format!("{} ({done})", self.text)
    }
}

/// All of them as one text of an event.
#[must_use]
pub fn told(differences: &[Difference]) -> String {
    let mut text = String::new();
    for (index, difference) in differences.iter().enumerate() {
        let next = difference.told();
        let more = differences.len() - index;
        // What no longer fits is counted, so that nobody takes the text for the whole.
        if !text.is_empty() && text.len() + next.len() + ROOM_FOR_COUNT > crate::history::MAX_REASON_BYTES {
            // Writing to a String cannot fail.
            let _ = write!(text, "; and {more} more");
            break;
        }
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(&next);
    }
    bounded(&text)
}

/// `; and 150 more`, and the separator before it.
const ROOM_FOR_COUNT: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use amends_dtm::Op;

    #[test]
    fn a_text_names_what_fits_and_counts_the_rest() {
        let difference = |step| {
            let at = OpRef { step, op: Op::Confirm };
            Difference::of(at, format!("points has no row of confirm {step:02}"), Remedy::Call(at))
        };
        let one = told(&[difference(1)]);
        assert_eq!(one, "points has no row of confirm 01 (called again)");
        let all: Vec<Difference> = (0..50).map(difference).collect();
        let text = told(&all);
        assert!(text.len() <= crate::history::MAX_REASON_BYTES, "{text}");
        assert!(text.ends_with(" more") && text.contains("confirm 03"), "{text}");
    }
}
