//! The rules, each a small story with fresh branches. What each demands is written in `rule`; here it is tried.
mod envelope;
mod order;
mod payloads;
mod repeats;
mod restart;

use crate::judgement::{Judgement, Stop};
use crate::rule::Rule;
use crate::session::Session;

/// Tries one rule.
pub(crate) async fn judge(rule: Rule, session: &Session) -> Judgement {
    if !rule.is_about(&session.config.form) {
        return Err(Stop::NotRun("a SAGA has no confirm".to_owned()));
    }
    match rule {
        Rule::Success => repeats::success(session).await,
        Rule::Duplicate => repeats::duplicate(session).await,
        Rule::ConcurrentDuplicates => repeats::concurrent_duplicates(session).await,
        Rule::ConfirmRepeated => repeats::confirm_repeated(session).await,
        Rule::UndoRepeated => repeats::undo_repeated(session).await,
        Rule::SlowCall => repeats::slow_call(session).await,
        Rule::UndoBeforeAction => order::undo_before_action(session).await,
        Rule::ActionAfterUndo => order::action_after_undo(session).await,
        Rule::ConfirmWithoutTry => order::confirm_without_try(session).await,
        Rule::ConfirmAfterCancel => order::confirm_after_cancel(session).await,
        Rule::CancelAfterConfirm => order::cancel_after_confirm(session).await,
        Rule::OtherPayload => payloads::other_payload(session).await,
        Rule::OtherPayloadUndo => payloads::other_payload_undo(session).await,
        Rule::RefusalRepeated => payloads::refusal_repeated(session).await,
        Rule::UndoAfterRefusal => payloads::undo_after_refusal(session).await,
        Rule::MessageFits => payloads::message_fits(session).await,
        Rule::MissingMetadata => envelope::missing_metadata(session).await,
        Rule::UnknownOp => envelope::unknown_op(session).await,
        Rule::PlanMac => envelope::plan_mac(session).await,
        Rule::SecondPhaseNeverAborted => envelope::second_phase_never_aborted(session).await,
        Rule::Crash => restart::crash(session).await,
    }
}
