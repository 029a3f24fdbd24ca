//! The rules of branch calls by name: what each demands, why it matters, and where it comes from. Knows no call.
use crate::form::Form;

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the table below says what each is
pub enum Rule {
    Success,
    Duplicate,
    ConcurrentDuplicates,
    ConfirmRepeated,
    UndoRepeated,
    UndoBeforeAction,
    ActionAfterUndo,
    SlowCall,
    OtherPayload,
    OtherPayloadUndo,
    MissingMetadata,
    UnknownOp,
    PlanMac,
    ConfirmWithoutTry,
    ConfirmAfterCancel,
    CancelAfterConfirm,
    RefusalRepeated,
    UndoAfterRefusal,
    MessageFits,
    SecondPhaseNeverAborted,
    Crash,
}

/// What is told of a rule.
struct Told {
    id: &'static str,
    demand: &'static str,
    why: &'static str,
    source: &'static str,
}

/// The rules in the order in which they are judged; the last but one looks back at all answers.
const ALL: [Rule; 21] = [
    Rule::Success,
    Rule::Duplicate,
    Rule::ConcurrentDuplicates,
    Rule::ConfirmRepeated,
    Rule::UndoRepeated,
    Rule::UndoBeforeAction,
    Rule::ActionAfterUndo,
    Rule::SlowCall,
    Rule::OtherPayload,
    Rule::OtherPayloadUndo,
    Rule::MissingMetadata,
    Rule::UnknownOp,
    Rule::PlanMac,
    Rule::ConfirmWithoutTry,
    Rule::ConfirmAfterCancel,
    Rule::CancelAfterConfirm,
    Rule::RefusalRepeated,
    Rule::UndoAfterRefusal,
    Rule::MessageFits,
    Rule::SecondPhaseNeverAborted,
    Rule::Crash,
];

impl Rule {
    /// Every rule, in the order in which they are judged.
    pub const ALL: [Rule; 21] = ALL;

    /// The name that reports and command lines use; it never changes.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.told().id
    }

    /// What a participant must do.
    #[must_use]
    pub fn demand(self) -> &'static str {
        self.told().demand
    }

    /// What goes wrong where it does not.
    #[must_use]
    pub fn why(self) -> &'static str {
        self.told().why
    }

    /// Which behaviour of coordinators it comes from.
    #[must_use]
    pub fn source(self) -> &'static str {
        self.told().source
    }

    /// The rule of this name.
    #[must_use]
    pub fn named(id: &str) -> Option<Rule> {
        ALL.into_iter().find(|rule| rule.id() == id)
    }

    /// Whether there is anything to judge in this form; a SAGA has no confirm.
    #[must_use]
    pub fn is_about(self, form: &Form) -> bool {
        match self {
            Rule::ConfirmRepeated
            | Rule::ConfirmWithoutTry
            | Rule::ConfirmAfterCancel
            | Rule::CancelAfterConfirm => matches!(form, Form::Tcc { .. }),
            Rule::Success
            | Rule::Duplicate
            | Rule::ConcurrentDuplicates
            | Rule::UndoRepeated
            | Rule::UndoBeforeAction
            | Rule::ActionAfterUndo
            | Rule::SlowCall
            | Rule::OtherPayload
            | Rule::OtherPayloadUndo
            | Rule::MissingMetadata
            | Rule::UnknownOp
            | Rule::PlanMac
            | Rule::RefusalRepeated
            | Rule::UndoAfterRefusal
            | Rule::MessageFits
            | Rule::SecondPhaseNeverAborted
            | Rule::Crash => true,
        }
    }

    #[allow(clippy::too_many_lines, reason = "a table")]
    fn told(self) -> Told {
        match self {
            Rule::Success => Told {
                id: "success",
                demand: "the forward call is answered OK, and so are its undo and its confirm",
                why: "all else is judged with this payload; a call that never succeeds proves nothing",
                source: "result protocol: OK = success",
            },
            Rule::Duplicate => Told {
                id: "duplicate",
                demand: "the same forward call again has no further effect and is answered the same, byte for byte",
                why: "a coordinator whose answer was lost, or who restarted, calls again: money would move twice",
                source: "guard table, own row DONE; at least once is all that a coordinator promises",
            },
            Rule::ConcurrentDuplicates => Told {
                id: "concurrent-duplicates",
                demand: "the same forward call many times at one moment has one effect and one final answer",
                why: "two executors of one coordinator call at once; look first, write later lets both write",
                source: "D2: a second Submit starts another executor; guard: calls of one branch are serialised",
            },
            Rule::ConfirmRepeated => Told {
                id: "confirm-repeated",
                demand: "a confirm that came before is answered OK again, without a further effect",
                why: "second phases are repeated until they are answered OK, for ever",
                source: "guard table, second phase again",
            },
            Rule::UndoRepeated => Told {
                id: "undo-repeated",
                demand: "a cancel or compensate that came before is answered OK again, without a further effect",
                why: "giving back twice makes money; refusing the repeat keeps the global transaction open for ever",
                source: "guard table, second phase again",
            },
            Rule::UndoBeforeAction => Told {
                id: "undo-before-action",
                demand: "an undo whose forward call never came is answered OK and undoes nothing",
                why: "a rollback also calls branches whose forward call was lost on its way: an empty compensation",
                source: "D21; guard table, no forward",
            },
            Rule::ActionAfterUndo => Told {
                id: "action-after-undo",
                demand: "a forward call that comes after its undo is refused with ABORTED and takes no effect",
                why: "a call that hung in the network arrives when all is over: nobody would ever undo it",
                source: "guard table, TOMBSTONE; an OK is suffered only where a probe shows that nothing was done",
            },
            Rule::SlowCall => Told {
                id: "slow-call",
                demand: "a call whose caller gave up at once is answered definitely when it is repeated",
                why: "DTM gives up after its request timeout and asks again; half done work must not stay half done",
                source: "guard and effect run in a task that outlives the request",
            },
            Rule::OtherPayload => Told {
                id: "other-payload",
                demand: "the same forward call with another payload is neither served nor answered ABORTED",
                why: "a second Submit may bring other steps: serving it is a forged deed, ABORTED rolls the real one back",
                source: "D2; guard table, own row with other hash: ALREADY_EXISTS",
            },
            Rule::OtherPayloadUndo => Told {
                id: "other-payload-undo",
                demand: "an undo with another payload than its forward call is not answered OK, and undoes nothing",
                why: "it would give back what another deed took",
                source: "branch methods carry one payload; guard: INTERNAL",
            },
            Rule::MissingMetadata => Told {
                id: "missing-metadata",
                demand: "a forward call without dtm-gid or without dtm-branch_id is an error and takes no effect",
                why: "without them no repeat is ever recognised and nothing can be undone",
                source: "branch identity comes from the metadata alone",
            },
            Rule::UnknownOp => Told {
                id: "unknown-op",
                demand: "a forward call whose dtm-op is missing, unknown or of another phase is an error without effect",
                why: "the op is part of what makes a repeat a repeat; a mix-up must show, not act",
                source: "guard key (gid, branch_id, op)",
            },
            Rule::PlanMac => Told {
                id: "plan-mac",
                demand: "a call without the plan MAC, or with a wrong one, is UNAUTHENTICATED and takes no effect",
                why: "whoever reaches the port could act in the name of any plan",
                source: "pay-plan-mac is checked first; judged only where a key is given",
            },
            Rule::ConfirmWithoutTry => Told {
                id: "confirm-without-try",
                demand: "a confirm whose try never came is answered neither OK nor ABORTED",
                why: "there is nothing to apply; OK would hide that, ABORTED is not understood",
                source: "guard table: INTERNAL and an alarm; D20",
            },
            Rule::ConfirmAfterCancel => Told {
                id: "confirm-after-cancel",
                demand: "a confirm after the cancel is answered neither OK nor ABORTED",
                why: "what was given back would be applied as well",
                source: "guard table, PHASE_CONFLICT",
            },
            Rule::CancelAfterConfirm => Told {
                id: "cancel-after-confirm",
                demand: "a cancel after the confirm is answered neither OK nor ABORTED",
                why: "what was applied would be given back as well",
                source: "guard table, PHASE_CONFLICT",
            },
            Rule::RefusalRepeated => Told {
                id: "refusal-repeated",
                demand: "a refused forward call that is repeated is refused again, in the same words",
                why: "the rollback has begun; a repeat that succeeds now is never undone",
                source: "guard table, own row REFUSED; judged only with a payload that is refused",
            },
            Rule::UndoAfterRefusal => Told {
                id: "undo-after-refusal",
                demand: "the undo of a refused forward call is answered OK and undoes nothing",
                why: "a rollback also calls the branch that refused",
                source: "D21; judged only with a payload that is refused",
            },
            Rule::MessageFits => Told {
                id: "message-fits",
                demand: "no status message is longer than 1,024 bytes, whatever the call holds, and all trailers fit in 8 KiB",
                why: "SQL stores of DTM keep the text in 1,024 characters, and a longer one makes it panic",
                source: "D17; stay below 256 bytes",
            },
            Rule::SecondPhaseNeverAborted => Told {
                id: "second-phase-never-aborted",
                demand: "no confirm, cancel or compensate is ever answered ABORTED",
                why: "a coordinator does not understand a refusal there and asks again for ever",
                source: "result protocol; only a forward call can be refused",
            },
            Rule::Crash => Told {
                id: "crash",
                demand: "after a crash in the middle of a call, and after its answer, repeats are answered as if there was none",
                why: "an effect without its memory is done twice, a memory without its effect is never done",
                source: "effect and guard row in one local transaction; judged only with a crash command",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rule;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_unique_kebab_case_and_name_their_rule() {
        let ids: BTreeSet<&str> = Rule::ALL.into_iter().map(Rule::id).collect();
        assert_eq!(ids.len(), Rule::ALL.len());
        for rule in Rule::ALL {
            let plain = |sign: char| sign.is_ascii_lowercase() || sign == '-';
            assert!(rule.id().chars().all(plain), "{}", rule.id());
            assert_eq!(Rule::named(rule.id()), Some(rule));
            let spelled = format!("{rule:?}").to_lowercase();
            assert_eq!(rule.id().replace('-', ""), spelled);
        }
        assert_eq!(Rule::named("nothing"), None);
    }
}
