//! The part of a participant in a global transaction: which branch, which op, which kind of transaction.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// DTM keeps a branch id in at most this many characters.
const LONGEST: usize = 20;

/// The id of a branch: `01`, `02`, … `99`, `100`, … in the order of the plan. A foreign initiator may nest them
/// (`0102`). Sorts in the order of the plan.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BranchId {
    length: u8,
    digits: [u8; LONGEST],
}

/// The text is not a branch id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a branch id is 2 to 20 digits")]
pub struct BranchIdError;

impl BranchId {
    /// The branch of the step at this position, counted from 0: `01` is at 0.
    pub fn of_index(index: usize) -> BranchId {
        // usize::MAX has exactly 20 digits, so that every position but the very last has an id.
        BranchId::from_digits(format!("{:02}", index.saturating_add(1)).as_bytes())
    }

    /// Reads a branch id.
    pub fn parse(text: &str) -> Result<BranchId, BranchIdError> {
        let fits = (2..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if fits { Ok(BranchId::from_digits(text.as_bytes())) } else { Err(BranchIdError) }
    }

    /// Position of the step, counted from 0; none for a nested branch of a foreign initiator.
    pub fn index(&self) -> Option<usize> {
        let index = self.as_str().parse::<usize>().ok()?.checked_sub(1)?;
        (BranchId::of_index(index) == *self).then_some(index)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.digits[..usize::from(self.length)]).expect("only digits are ever stored")
    }

    fn from_digits(text: &[u8]) -> BranchId {
        let mut digits = [0; LONGEST];
        digits[..text.len()].copy_from_slice(text);
        BranchId { length: u8::try_from(text.len()).expect("at most 20 digits"), digits }
    }
}

impl Ord for BranchId {
    fn cmp(&self, other: &BranchId) -> Ordering {
        (self.length, self.as_str()).cmp(&(other.length, other.as_str()))
    }
}

impl PartialOrd for BranchId {
    fn partial_cmp(&self, other: &BranchId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for BranchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for BranchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BranchId {
    type Err = BranchIdError;
    fn from_str(text: &str) -> Result<BranchId, BranchIdError> {
        BranchId::parse(text)
    }
}

/// The text names no op and no kind of transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{text}`")]
pub struct UnknownWord {
    /// What was looked for.
    pub what: &'static str,
    /// What was there instead.
    pub text: String,
}

/// What a branch is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// Forward in a saga.
    Action,
    /// Undo in a saga.
    Compensate,
    /// Forward in a TCC: reserve.
    Try,
    /// Apply what was reserved.
    Confirm,
    /// Give back what was reserved.
    Cancel,
}

impl Op {
    /// Every op.
    pub const ALL: [Op; 5] = [Op::Action, Op::Compensate, Op::Try, Op::Confirm, Op::Cancel];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Op::Action => "action",
            Op::Compensate => "compensate",
            Op::Try => "try",
            Op::Confirm => "confirm",
            Op::Cancel => "cancel",
        }
    }

    /// Whether it is the first phase, which may be refused.
    pub fn is_forward(self) -> bool {
        self == self.forward()
    }

    /// The forward op of the same branch.
    pub fn forward(self) -> Op {
        match self {
            Op::Action | Op::Compensate => Op::Action,
            Op::Try | Op::Confirm | Op::Cancel => Op::Try,
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Op {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Op, UnknownWord> {
        let found = Op::ALL.into_iter().find(|op| op.as_str() == text);
        found.ok_or_else(|| UnknownWord { what: "op", text: text.to_owned() })
    }
}

/// The kind of a global transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransType {
    /// Actions, undone by compensations.
    Saga,
    /// Try, then confirm or cancel.
    Tcc,
    /// A message that follows a local transaction.
    Msg,
    /// A replayed function.
    Workflow,
    /// Two-phase commit of databases.
    Xa,
}

impl TransType {
    /// Every kind.
    pub const ALL: [TransType; 5] =
        [TransType::Saga, TransType::Tcc, TransType::Msg, TransType::Workflow, TransType::Xa];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            TransType::Saga => "saga",
            TransType::Tcc => "tcc",
            TransType::Msg => "msg",
            TransType::Workflow => "workflow",
            TransType::Xa => "xa",
        }
    }
}

impl fmt::Display for TransType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TransType {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<TransType, UnknownWord> {
        let found = TransType::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| UnknownWord { what: "kind of transaction", text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::{BranchId, BranchIdError, Op, TransType};

    #[test]
    fn branch_ids_count_from_01_and_sort_in_the_order_of_the_plan() {
        let ids: Vec<BranchId> = (0..120).map(BranchId::of_index).collect();
        assert_eq!((ids[0].as_str(), ids[8].as_str(), ids[98].as_str()), ("01", "09", "99"));
        assert_eq!((ids[99].as_str(), ids[119].as_str()), ("100", "120"));
        assert!(ids.is_sorted());
        for (index, id) in ids.iter().enumerate() {
            assert_eq!(BranchId::parse(id.as_str()).unwrap(), *id);
            assert_eq!(id.index(), Some(index));
        }
    }

    #[test]
    fn a_nested_branch_has_an_id_but_no_position() {
        for text in ["0102", "00", "001"] {
            let id = BranchId::parse(text).unwrap();
            assert_eq!((id.as_str(), id.index()), (text, None));
        }
    }

    #[test]
    fn anything_else_is_no_branch_id() {
        for text in ["", "1", "0x", "-1", "+1", " 1", "123456789012345678901", "٠١"] {
            assert_eq!(BranchId::parse(text), Err(BranchIdError), "{text}");
        }
    }

    #[test]
    fn words_read_back_and_unknown_ones_do_not() {
        for op in Op::ALL {
            assert_eq!(op.as_str().parse(), Ok(op));
        }
        for kind in TransType::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!("Action".parse::<Op>().is_err() && "".parse::<TransType>().is_err());
        let forward: Vec<Op> = Op::ALL.into_iter().filter(|op| op.is_forward()).collect();
        assert_eq!(forward, [Op::Action, Op::Try]);
    }
}
