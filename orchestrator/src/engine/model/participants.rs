//! The participants of a case, each with a guard: a forward call has its effect once and its answer for ever, an undo of
//! nothing leaves a tombstone. Knows what a guard promises, nothing of the engine.

use amends_dtm::Op;

/// What a participant remembers of one branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    Nothing,
    Done,
    Refused,
    Confirmed,
    Undone,
    /// Undone before anything was done: what comes later is refused.
    Tombstone,
}

/// What it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Applied(usize),
    Confirmed(usize),
    Undone(usize),
}

/// What it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    Ok,
    Aborted,
    /// Nothing of the kind: a confirm without a try, or one after the cancel.
    Denied,
}

/// All participants of one case.
#[derive(Debug)]
pub struct Participants {
    pub memory: Vec<Memory>,
    pub effects: Vec<Effect>,
    refuses: Vec<bool>,
}

impl Participants {
    pub fn new(refuses: &[bool]) -> Self {
        let memory = vec![Memory::Nothing; refuses.len()];
        Self { memory, effects: Vec::new(), refuses: refuses.to_vec() }
    }

    pub fn call(&mut self, step: usize, op: Op) -> Said {
        match op {
            Op::Action | Op::Try => self.forward(step),
            Op::Confirm => self.confirm(step),
            Op::Compensate | Op::Cancel => self.undo(step),
        }
    }

    /// A person does what it did not, or finds that it is done.
    pub fn do_by_hand(&mut self, step: usize) {
        if !matches!(self.memory[step], Memory::Done) {
            self.memory[step] = Memory::Done;
            self.effects.push(Effect::Applied(step));
        }
    }

    fn forward(&mut self, step: usize) -> Said {
        match self.memory[step] {
            Memory::Nothing if self.refuses[step] => {
                self.memory[step] = Memory::Refused;
                Said::Aborted
            }
            Memory::Nothing => {
                self.memory[step] = Memory::Done;
                self.effects.push(Effect::Applied(step));
                Said::Ok
            }
            Memory::Done | Memory::Confirmed => Said::Ok,
            Memory::Refused | Memory::Undone | Memory::Tombstone => Said::Aborted,
        }
    }

    fn confirm(&mut self, step: usize) -> Said {
        match self.memory[step] {
            Memory::Done => {
                self.memory[step] = Memory::Confirmed;
                self.effects.push(Effect::Confirmed(step));
                Said::Ok
            }
            Memory::Confirmed => Said::Ok,
            Memory::Nothing | Memory::Refused | Memory::Undone | Memory::Tombstone => Said::Denied,
        }
    }

    fn undo(&mut self, step: usize) -> Said {
        match self.memory[step] {
            Memory::Nothing => {
                self.memory[step] = Memory::Tombstone;
                Said::Ok
            }
            Memory::Done => {
                self.memory[step] = Memory::Undone;
                self.effects.push(Effect::Undone(step));
                Said::Ok
            }
            Memory::Refused | Memory::Undone | Memory::Tombstone => Said::Ok,
            Memory::Confirmed => Said::Denied,
        }
    }
}
