//! The registry: every place around which a process can be made to die. Names are stable; a place that is gone is removed.

/// The five participants.
#[cfg(feature = "armed")]
const PARTICIPANTS: &[&str] = &["order", "account", "inventory", "points", "gateway"];
/// Those of them that take direct writes under a key.
#[cfg(feature = "armed")]
const KEYED: &[&str] = &["account", "inventory", "points"];
#[cfg(feature = "armed")]
const ACCOUNT: &[&str] = &["account"];
#[cfg(feature = "armed")]
const GATEWAY: &[&str] = &["gateway"];
#[cfg(feature = "armed")]
const PSP: &[&str] = &["psp"];
#[cfg(feature = "armed")]
const ORCHESTRATOR: &[&str] = &["orchestrator"];
/// Every process of ours.
#[cfg(feature = "armed")]
const ALL: &[&str] = &["psp", "order", "account", "inventory", "points", "gateway", "orchestrator"];

macro_rules! registry {
    ($($(#[doc = $doc:literal])+ $place:ident = $name:literal in $processes:ident,)+) => {
        /// A durable write or a call, before and after which a process can be made to die.
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[cfg_attr(feature = "armed", derive(Debug))]
        pub enum Place {
            $($(#[doc = $doc])+ $place,)+
        }

        #[cfg(feature = "armed")]
        impl Place {
            /// Every place.
            pub const ALL: &[Place] = &[$(Place::$place,)+];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Place::$place => $name,)+
                }
            }

            /// The processes that come by, in the words of `amends serve`.
            #[must_use]
            pub fn processes(self) -> &'static [&'static str] {
                match self {
                    $(Place::$place => $processes,)+
                }
            }
        }
    };
}

registry! {
    /// Any process: its migrations commit.
    Migration = "migration.commit" in ALL,

    /// A participant: effect, guard row and answer of a branch call commit, or the memory of its refusal.
    Guard = "guard.commit" in PARTICIPANTS,
    /// A participant: a direct write commits with the memory of its answer.
    KeyedWrite = "keyed_write.commit" in KEYED,
    /// The account service: an account is opened, frozen or otherwise changed, without a key.
    AccountWrite = "account.commit" in ACCOUNT,

    /// The gateway: what a confirm or an undo wants done commits (transaction A).
    SecondPhase = "second_phase.commit" in GATEWAY,
    /// The gateway: a request that was never sent is marked as sent.
    Resend = "resend.commit" in GATEWAY,
    /// The gateway: a new request of an undo commits.
    UndoRequest = "undo_request.commit" in GATEWAY,
    /// The gateway: what became of a request commits, with payment and guard row (transaction B).
    Finding = "finding.commit" in GATEWAY,
    /// The gateway: a confirm or an undo that has got there is settled.
    Settlement = "settlement.commit" in GATEWAY,
    /// The gateway: at its start, what an earlier process sent is to be asked about.
    TakeOver = "take_over.write" in GATEWAY,
    /// The gateway: somebody asks for a payment and wants the provider asked first.
    ForcedQuery = "forced_query.commit" in GATEWAY,
    /// The gateway: a request leaves for the provider, and its answer comes.
    ProviderRequest = "provider.request" in GATEWAY,
    /// The gateway: the provider is asked what became of a request.
    ProviderQuery = "provider.query" in GATEWAY,
    /// The gateway: a request is forbidden at the provider.
    ProviderClose = "provider.close" in GATEWAY,

    /// The provider: a request that moves money commits.
    Books = "books.commit" in PSP,
    /// The provider: a query commits what had come due.
    BooksQuery = "books_query.commit" in PSP,
    /// The provider: a close commits.
    BooksClose = "books_close.commit" in PSP,
    /// The provider: facts are read, and what had come due commits.
    Facts = "facts.commit" in PSP,
    /// The provider: a call counts towards its payment's behaviour.
    KeptCount = "kept_count.commit" in PSP,
    /// The provider: a call counts towards the draws of the profile.
    CallCount = "call_count.commit" in PSP,
    /// The provider: it is told how to behave.
    Rule = "rule.commit" in PSP,
    /// The provider: a rule is chosen for a call, and has seen one more.
    RuleChoice = "rule_choice.commit" in PSP,
    /// The provider: it is told to forget all rules.
    Reset = "reset.commit" in PSP,
    /// The provider: a setting is stored, the profile or an outage.
    Setting = "setting.write" in PSP,

    /// The orchestrator: a start is made durable, then answered.
    Start = "start.record" in ORCHESTRATOR,
    /// The orchestrator: a commit of the history, shared by whatever was waiting.
    History = "history.commit" in ORCHESTRATOR,
    /// The orchestrator: an attempt is made durable before its call.
    AttemptStart = "attempt.record" in ORCHESTRATOR,
    /// The orchestrator: what came of an attempt is made durable, with what follows from it.
    AttemptEnd = "outcome.record" in ORCHESTRATOR,
    /// The orchestrator: an action is called.
    Action = "action.call" in ORCHESTRATOR,
    /// The orchestrator: a compensation is called.
    Compensate = "compensate.call" in ORCHESTRATOR,
    /// The orchestrator: a try is called.
    Try = "try.call" in ORCHESTRATOR,
    /// The orchestrator: a confirm is called.
    Confirm = "confirm.call" in ORCHESTRATOR,
    /// The orchestrator: a cancel is called.
    Cancel = "cancel.call" in ORCHESTRATOR,
    /// The orchestrator: a call of DTM is decided about, then answered.
    Relay = "relay.answer" in ORCHESTRATOR,
    /// The orchestrator: a SAGA is submitted to DTM, or reminded of.
    DtmSaga = "dtm.saga" in ORCHESTRATOR,
    /// The orchestrator: a TCC is opened at DTM.
    DtmPrepare = "dtm.prepare" in ORCHESTRATOR,
    /// The orchestrator: a branch of a TCC is registered at DTM.
    DtmBranch = "dtm.branch" in ORCHESTRATOR,
    /// The orchestrator: a TCC is submitted to DTM, once.
    DtmSubmit = "dtm.submit" in ORCHESTRATOR,
    /// The orchestrator: DTM is told to take a TCC back.
    DtmAbort = "dtm.abort" in ORCHESTRATOR,
    /// The orchestrator: DTM is asked where a global transaction stands.
    DtmView = "dtm.view" in ORCHESTRATOR,
    /// The orchestrator: DTM is told to look at everything that waits.
    DtmNudge = "dtm.nudge" in ORCHESTRATOR,
    /// The orchestrator: the auditor asks a participant for its guard rows.
    GuardRows = "guard_rows.call" in ORCHESTRATOR,
    /// The orchestrator: a definition or a participant is paused.
    HoldBegin = "hold_begin.write" in ORCHESTRATOR,
    /// The orchestrator: it goes on.
    HoldEnd = "hold_end.write" in ORCHESTRATOR,
    /// The orchestrator: an act in bulk is made durable with all of its items.
    Errand = "errand.commit" in ORCHESTRATOR,
    /// The orchestrator: one item of it is done.
    ErrandItem = "errand_item.write" in ORCHESTRATOR,
    /// The orchestrator: a lane is set.
    LaneSetting = "lane_setting.commit" in ORCHESTRATOR,
    /// The orchestrator: a notice is taken by who will send it.
    NoticeTake = "notice_take.write" in ORCHESTRATOR,
    /// The orchestrator: a notice is sent to its receiver.
    Webhook = "webhook.call" in ORCHESTRATOR,
    /// The orchestrator: the receiver has a notice.
    NoticeTaken = "notice_delivered.write" in ORCHESTRATOR,
    /// The orchestrator: the receiver has not acknowledged a notice.
    NoticeRefused = "notice_refused.write" in ORCHESTRATOR,
    /// The orchestrator: a file of the archive is written.
    ArchiveFile = "archive_file.write" in ORCHESTRATOR,
    /// The orchestrator: what is archived is taken out of the history.
    Purge = "purge.commit" in ORCHESTRATOR,
    /// The orchestrator: nothing of a file is in the history any more, and the file gets its name.
    ArchiveName = "archive_name.write" in ORCHESTRATOR,
}
