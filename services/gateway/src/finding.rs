//! What an answer of the processor proves about a request (payments-domain §6.3). Pure: knows no wire and no store.
//! Silence proves nothing, and neither does NOT_FOUND: the request may still be on its way.

use crate::state::PspOp;

/// What was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The request itself.
    Call,
    /// A query for it.
    Query,
    /// A close of it.
    Close,
}

/// Proof of a request that was carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The processor's own number.
    pub psp_txn_id: String,
    /// For the card holder's statement.
    pub auth_code: String,
    /// The first answer, given again.
    pub duplicate: bool,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Carried out.
    Success(Receipt),
    /// A payment turned down.
    Declined(String),
    /// Another request that cannot be done.
    Refused(String),
    /// Will never be carried out.
    Closed,
    /// Not decided yet.
    Processing,
    /// Nothing is known of it.
    NotFound,
    /// No answer, or none that can be understood.
    Silence,
    /// The request provably never left this machine.
    NeverLeft,
}

/// What is known now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It was carried out; of an undo also: nothing is kept.
    Succeeded(Receipt),
    /// It was refused for good.
    Declined(String),
    /// It will never be carried out.
    Closed,
    /// A void came too late: the amount was taken.
    AlreadyCaptured,
    /// A refund came too early: the amount is only reserved.
    NotCaptured,
    /// Nothing new: ask later.
    Open,
    /// Forbid it, so that it cannot come late.
    SendClose,
    /// It is said to be paid: ask for the receipt, which is the proof.
    SendQuery,
    /// Send it again under the same id; the processor does it at most once.
    SendAgain,
    /// It never left: it may be sent again without asking.
    NeverLeft,
}

/// What `answer` proves about a request of `op`.
#[must_use]
pub fn find(op: PspOp, asked: Asked, answer: Answer) -> Finding {
    match answer {
        Answer::Success(receipt) => Finding::Succeeded(receipt),
        Answer::Declined(code) => Finding::Declined(code),
        Answer::Refused(code) => match asked {
            Asked::Close => close_refused(&code),
            Asked::Call | Asked::Query => refused(op, code),
        },
        Answer::Closed => match op {
            PspOp::Authorize | PspOp::Sale | PspOp::Capture => Finding::Closed,
            PspOp::Void | PspOp::Refund => Finding::Declined("closed".to_owned()),
        },
        Answer::NotFound => match asked {
            Asked::Query => unheard_of(op),
            Asked::Call | Asked::Close => Finding::Open,
        },
        Answer::NeverLeft => match asked {
            Asked::Call => Finding::NeverLeft,
            Asked::Query | Asked::Close => Finding::Open,
        },
        Answer::Processing | Answer::Silence => Finding::Open,
    }
}

/// Money that is to be taken must not be taken late; what gives money back, or was decided, is sent again.
fn unheard_of(op: PspOp) -> Finding {
    match op {
        PspOp::Authorize | PspOp::Sale => Finding::SendClose,
        PspOp::Capture | PspOp::Void | PspOp::Refund => Finding::SendAgain,
    }
}

/// That a request cannot be closed proves nothing; a query tells, and at once if it was paid.
fn close_refused(code: &str) -> Finding {
    if code == "paid" { Finding::SendQuery } else { Finding::Open }
}

fn refused(op: PspOp, code: String) -> Finding {
    match (op, code.as_str()) {
        // Our id was used for something else: what became of our own request only a query can tell.
        (_, "DUPLICATE_MISMATCH") => Finding::Open,
        (PspOp::Capture, "captured") => Finding::Succeeded(Receipt::default()),
        (PspOp::Void, "captured") => Finding::AlreadyCaptured,
        (PspOp::Refund, "not_captured") => Finding::NotCaptured,
        // The one code that proves it: whatever else turns an undo down, money may be kept.
        (PspOp::Void | PspOp::Refund, "nothing_kept") => Finding::Succeeded(Receipt::default()),
        // A payment is declined, never refused: this was not about the payment.
        (PspOp::Authorize | PspOp::Sale, _) => Finding::Open,
        (PspOp::Capture | PspOp::Void | PspOp::Refund, _) => Finding::Declined(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: &str) -> Answer {
        Answer::Refused(code.to_owned())
    }

    #[test]
    fn only_proof_ends_a_request() {
        for op in PspOp::ALL {
            for asked in [Asked::Call, Asked::Query, Asked::Close] {
                for answer in [Answer::Processing, Answer::Silence] {
                    assert_eq!(find(op, asked, answer), Finding::Open);
                }
            }
            assert_eq!(find(op, Asked::Call, Answer::NotFound), Finding::Open);
            assert_eq!(find(op, Asked::Query, Answer::NeverLeft), Finding::Open);
            assert_eq!(find(op, Asked::Call, Answer::NeverLeft), Finding::NeverLeft);
        }
    }

    #[test]
    fn a_request_nobody_heard_of_is_closed_or_sent_again() {
        for op in PspOp::ALL {
            let wanted = if op.is_forward() { Finding::SendClose } else { Finding::SendAgain };
            assert_eq!(find(op, Asked::Query, Answer::NotFound), wanted);
        }
    }

    #[test]
    fn what_turns_an_undo_down_is_no_proof_that_nothing_is_kept() {
        for op in [PspOp::Void, PspOp::Refund] {
            for code in ["declined", "closed", "limit", "original_not_found", "DECLINED", ""] {
                for asked in [Asked::Call, Asked::Query] {
                    let wanted = Finding::Declined(code.to_owned());
                    assert_eq!(find(op, asked, refusal(code)), wanted, "{op:?} {code}");
                    assert_eq!(find(op, asked, Answer::Declined(code.to_owned())), wanted, "{op:?} {code}");
                }
            }
            assert_eq!(
                find(op, Asked::Call, Answer::Declined("nothing_kept".to_owned())),
                Finding::Declined("nothing_kept".to_owned())
            );
        }
    }

    #[test]
    fn only_a_decline_ends_a_payment_never_a_refusal() {
        for op in [PspOp::Authorize, PspOp::Sale] {
            for asked in [Asked::Call, Asked::Query, Asked::Close] {
                for code in ["busy", "rate_limited", "declined", "closed", "nothing_kept"] {
                    assert_eq!(find(op, asked, refusal(code)), Finding::Open, "{op:?} {asked:?} {code}");
                }
                let declined = find(op, asked, Answer::Declined("limit".to_owned()));
                assert_eq!(declined, Finding::Declined("limit".to_owned()));
            }
        }
    }

    #[test]
    fn a_close_that_was_too_late_calls_for_the_receipt() {
        assert_eq!(find(PspOp::Sale, Asked::Close, refusal("paid")), Finding::SendQuery);
        assert_eq!(find(PspOp::Sale, Asked::Close, refusal("processing")), Finding::Open);
        assert_eq!(find(PspOp::Sale, Asked::Close, Answer::Closed), Finding::Closed);
    }

    #[test]
    fn refusals_mean_different_things_to_different_requests() {
        let kept_nothing = Finding::Succeeded(Receipt::default());
        for (op, code, wanted) in [
            (PspOp::Sale, "stolen_card", Finding::Open),
            (PspOp::Capture, "expired", Finding::Declined("expired".into())),
            (PspOp::Capture, "captured", kept_nothing.clone()),
            (PspOp::Void, "captured", Finding::AlreadyCaptured),
            (PspOp::Void, "nothing_kept", kept_nothing.clone()),
            (PspOp::Void, "processing", Finding::Declined("processing".into())),
            (PspOp::Refund, "not_captured", Finding::NotCaptured),
            (PspOp::Refund, "nothing_kept", kept_nothing),
            (PspOp::Sale, "DUPLICATE_MISMATCH", Finding::Open),
        ] {
            assert_eq!(find(op, Asked::Call, refusal(code)), wanted, "{op:?} {code}");
        }
    }
}
