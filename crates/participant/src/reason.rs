//! Every reason a participant gives for not doing something, and the gRPC code it has on each kind of call
//! (payments-domain §6.1). Knows no text: that is the refusal's.

use tonic::Code;

/// Why something was not done. The name on the wire is [`Reason::as_str`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are those of payments-domain §6.1 and §2
pub enum Reason {
    InvalidRequest,
    AmountOutOfRange,
    CurrencyUnsupported,
    CurrencyMismatch,
    TotalMismatch,
    PanRejected,
    MissingBranchMetadata,
    BadPlanMac,
    OrderNotFound,
    AccountNotFound,
    SkuNotFound,
    PaymentNotFound,
    DuplicateOutTradeNo,
    PaymentAlreadyLive,
    InsufficientFunds,
    InsufficientStock,
    InsufficientPoints,
    AccountFrozen,
    OrderClosed,
    IllegalTransition,
    PspDeclined,
    RiskDenied,
    LimitExceeded,
    Blacklisted,
    VelocityExceeded,
    OverRefund,
    RefundWindowClosed,
    TooManyRefunds,
    RefundInDoubt,
    CircuitOpen,
    ServiceDegraded,
    QueueFull,
    RateLimited,
    InProgress,
    PaymentUnknown,
    UndoInProgress,
    Locked,
    UnderReview,
    LeaseHeld,
    LeaseLost,
    ApproverIsProposer,
    IdempotencyMismatch,
    IdempotencyInUse,
    StorageUnavailable,
    /// The undo came first; this forward call came too late.
    BranchClosed,
    ConfirmWithoutTry,
    PhaseConflict,
    /// A defect or a damaged row: an alarm, never a business answer.
    Broken,
}

impl Reason {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::InvalidRequest => "INVALID_REQUEST",
            Reason::AmountOutOfRange => "AMOUNT_OUT_OF_RANGE",
            Reason::CurrencyUnsupported => "CURRENCY_UNSUPPORTED",
            Reason::CurrencyMismatch => "CURRENCY_MISMATCH",
            Reason::TotalMismatch => "TOTAL_MISMATCH",
            Reason::PanRejected => "PAN_REJECTED",
            Reason::MissingBranchMetadata => "MISSING_BRANCH_METADATA",
            Reason::BadPlanMac => "BAD_PLAN_MAC",
            Reason::OrderNotFound => "ORDER_NOT_FOUND",
            Reason::AccountNotFound => "ACCOUNT_NOT_FOUND",
            Reason::SkuNotFound => "SKU_NOT_FOUND",
            Reason::PaymentNotFound => "PAYMENT_NOT_FOUND",
            Reason::DuplicateOutTradeNo => "DUPLICATE_OUT_TRADE_NO",
            Reason::PaymentAlreadyLive => "PAYMENT_ALREADY_LIVE",
            Reason::InsufficientFunds => "INSUFFICIENT_FUNDS",
            Reason::InsufficientStock => "INSUFFICIENT_STOCK",
            Reason::InsufficientPoints => "INSUFFICIENT_POINTS",
            Reason::AccountFrozen => "ACCOUNT_FROZEN",
            Reason::OrderClosed => "ORDER_CLOSED",
            Reason::IllegalTransition => "ILLEGAL_TRANSITION",
            Reason::PspDeclined => "PSP_DECLINED",
            Reason::RiskDenied => "RISK_DENIED",
            Reason::LimitExceeded => "LIMIT_EXCEEDED",
            Reason::Blacklisted => "BLACKLISTED",
            Reason::VelocityExceeded => "VELOCITY_EXCEEDED",
            Reason::OverRefund => "OVER_REFUND",
            Reason::RefundWindowClosed => "REFUND_WINDOW_CLOSED",
            Reason::TooManyRefunds => "TOO_MANY_REFUNDS",
            Reason::RefundInDoubt => "REFUND_IN_DOUBT",
            Reason::CircuitOpen => "CIRCUIT_OPEN",
            Reason::ServiceDegraded => "SERVICE_DEGRADED",
            Reason::QueueFull => "QUEUE_FULL",
            Reason::RateLimited => "RATE_LIMITED",
            Reason::InProgress => "IN_PROGRESS",
            Reason::PaymentUnknown => "PAYMENT_UNKNOWN",
            Reason::UndoInProgress => "UNDO_IN_PROGRESS",
            Reason::Locked => "LOCKED",
            Reason::UnderReview => "UNDER_REVIEW",
            Reason::LeaseHeld => "LEASE_HELD",
            Reason::LeaseLost => "LEASE_LOST",
            Reason::ApproverIsProposer => "APPROVER_IS_PROPOSER",
            Reason::IdempotencyMismatch => "IDEMPOTENCY_MISMATCH",
            Reason::IdempotencyInUse => "IDEMPOTENCY_IN_USE",
            Reason::StorageUnavailable => "STORAGE_UNAVAILABLE",
            Reason::BranchClosed => "BRANCH_CLOSED",
            Reason::ConfirmWithoutTry => "CONFIRM_WITHOUT_TRY",
            Reason::PhaseConflict => "PHASE_CONFLICT",
            Reason::Broken => "BROKEN",
        }
    }

    /// The code on a forward branch call (`action`, `try`). Only ABORTED is a refusal, and only that is remembered.
    #[must_use]
    pub fn on_forward(self) -> Code {
        match self {
            Reason::InvalidRequest
            | Reason::AmountOutOfRange
            | Reason::CurrencyUnsupported
            | Reason::CurrencyMismatch
            | Reason::TotalMismatch
            | Reason::PanRejected
            | Reason::OrderNotFound
            | Reason::AccountNotFound
            | Reason::SkuNotFound
            | Reason::PaymentNotFound
            | Reason::DuplicateOutTradeNo
            | Reason::PaymentAlreadyLive
            | Reason::InsufficientFunds
            | Reason::InsufficientStock
            | Reason::InsufficientPoints
            | Reason::AccountFrozen
            | Reason::OrderClosed
            | Reason::IllegalTransition
            | Reason::PspDeclined
            | Reason::RiskDenied
            | Reason::LimitExceeded
            | Reason::Blacklisted
            | Reason::VelocityExceeded
            | Reason::OverRefund
            | Reason::RefundWindowClosed
            | Reason::TooManyRefunds
            | Reason::RefundInDoubt
            | Reason::CircuitOpen
            | Reason::ServiceDegraded
            | Reason::QueueFull
            | Reason::ApproverIsProposer
            | Reason::BranchClosed => Code::Aborted,
            Reason::InProgress
            | Reason::PaymentUnknown
            | Reason::UndoInProgress
            | Reason::Locked
            | Reason::UnderReview
            | Reason::LeaseHeld
            | Reason::LeaseLost
            | Reason::IdempotencyInUse => Code::FailedPrecondition,
            Reason::MissingBranchMetadata | Reason::BadPlanMac => Code::Unauthenticated,
            Reason::RateLimited => Code::ResourceExhausted,
            Reason::IdempotencyMismatch => Code::AlreadyExists,
            Reason::StorageUnavailable => Code::Unavailable,
            Reason::ConfirmWithoutTry | Reason::PhaseConflict | Reason::Broken => Code::Internal,
        }
    }

    /// The code on a confirm, cancel or compensate: not finished, or broken. A business reason there is a defect,
    /// because a second phase cannot refuse.
    #[must_use]
    pub fn on_second_phase(self) -> Code {
        match self {
            Reason::CircuitOpen
            | Reason::ServiceDegraded
            | Reason::QueueFull
            | Reason::RateLimited
            | Reason::InProgress
            | Reason::PaymentUnknown
            | Reason::UndoInProgress
            | Reason::Locked
            | Reason::UnderReview
            | Reason::LeaseHeld
            | Reason::LeaseLost
            | Reason::IdempotencyInUse => Code::FailedPrecondition,
            Reason::MissingBranchMetadata | Reason::BadPlanMac => Code::Unauthenticated,
            Reason::StorageUnavailable => Code::Unavailable,
            Reason::InvalidRequest
            | Reason::AmountOutOfRange
            | Reason::CurrencyUnsupported
            | Reason::CurrencyMismatch
            | Reason::TotalMismatch
            | Reason::PanRejected
            | Reason::OrderNotFound
            | Reason::AccountNotFound
            | Reason::SkuNotFound
            | Reason::PaymentNotFound
            | Reason::DuplicateOutTradeNo
            | Reason::PaymentAlreadyLive
            | Reason::InsufficientFunds
            | Reason::InsufficientStock
            | Reason::InsufficientPoints
            | Reason::AccountFrozen
            | Reason::OrderClosed
            | Reason::IllegalTransition
            | Reason::PspDeclined
            | Reason::RiskDenied
            | Reason::LimitExceeded
            | Reason::Blacklisted
            | Reason::VelocityExceeded
            | Reason::OverRefund
            | Reason::RefundWindowClosed
            | Reason::TooManyRefunds
            | Reason::RefundInDoubt
            | Reason::ApproverIsProposer
            | Reason::IdempotencyMismatch
            | Reason::BranchClosed
            | Reason::ConfirmWithoutTry
            | Reason::PhaseConflict
            | Reason::Broken => Code::Internal,
        }
    }

    /// The code on a direct call (queries, deposits, operators).
    #[must_use]
    pub fn on_direct(self) -> Code {
        match self {
            Reason::InvalidRequest
            | Reason::AmountOutOfRange
            | Reason::CurrencyUnsupported
            | Reason::CurrencyMismatch
            | Reason::TotalMismatch
            | Reason::PanRejected
            | Reason::IdempotencyMismatch => Code::InvalidArgument,
            Reason::MissingBranchMetadata | Reason::BadPlanMac => Code::Unauthenticated,
            Reason::OrderNotFound
            | Reason::AccountNotFound
            | Reason::SkuNotFound
            | Reason::PaymentNotFound => Code::NotFound,
            Reason::DuplicateOutTradeNo | Reason::PaymentAlreadyLive => Code::AlreadyExists,
            Reason::InsufficientFunds
            | Reason::InsufficientStock
            | Reason::InsufficientPoints
            | Reason::AccountFrozen
            | Reason::OrderClosed
            | Reason::IllegalTransition
            | Reason::PspDeclined
            | Reason::RiskDenied
            | Reason::LimitExceeded
            | Reason::Blacklisted
            | Reason::VelocityExceeded
            | Reason::OverRefund
            | Reason::RefundWindowClosed
            | Reason::TooManyRefunds
            | Reason::RefundInDoubt
            | Reason::InProgress
            | Reason::PaymentUnknown
            | Reason::UndoInProgress
            | Reason::Locked
            | Reason::UnderReview
            | Reason::LeaseHeld
            | Reason::LeaseLost
            | Reason::BranchClosed => Code::FailedPrecondition,
            Reason::CircuitOpen
            | Reason::ServiceDegraded
            | Reason::QueueFull
            | Reason::StorageUnavailable => Code::Unavailable,
            Reason::RateLimited => Code::ResourceExhausted,
            Reason::ApproverIsProposer => Code::PermissionDenied,
            Reason::IdempotencyInUse => Code::Aborted,
            Reason::ConfirmWithoutTry | Reason::PhaseConflict | Reason::Broken => Code::Internal,
        }
    }

    /// On a call of this phase somebody has to look: a forged duplicate, or a coordinator that broke its word.
    pub(crate) fn is_alarm(self) -> bool {
        matches!(
            self,
            Reason::IdempotencyMismatch | Reason::ConfirmWithoutTry | Reason::PhaseConflict | Reason::Broken
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Reason::{self, *};
    use tonic::Code;

    /// The table of payments-domain §6.1: reasons, forward, second phase, direct.
    const TABLE: &[(&[Reason], Code, Code, Code)] = &[
        (
            &[
                InvalidRequest,
                AmountOutOfRange,
                CurrencyUnsupported,
                CurrencyMismatch,
                TotalMismatch,
                PanRejected,
            ],
            Code::Aborted,
            Code::Internal,
            Code::InvalidArgument,
        ),
        (
            &[MissingBranchMetadata, BadPlanMac],
            Code::Unauthenticated,
            Code::Unauthenticated,
            Code::Unauthenticated,
        ),
        (
            &[OrderNotFound, AccountNotFound, SkuNotFound, PaymentNotFound],
            Code::Aborted,
            Code::Internal,
            Code::NotFound,
        ),
        (&[DuplicateOutTradeNo, PaymentAlreadyLive], Code::Aborted, Code::Internal, Code::AlreadyExists),
        (
            &[
                InsufficientFunds,
                InsufficientStock,
                InsufficientPoints,
                AccountFrozen,
                OrderClosed,
                IllegalTransition,
                PspDeclined,
                RiskDenied,
                LimitExceeded,
                Blacklisted,
                VelocityExceeded,
                BranchClosed,
            ],
            Code::Aborted,
            Code::Internal,
            Code::FailedPrecondition,
        ),
        (
            &[OverRefund, RefundWindowClosed, TooManyRefunds, RefundInDoubt],
            Code::Aborted,
            Code::Internal,
            Code::FailedPrecondition,
        ),
        (
            &[CircuitOpen, ServiceDegraded, QueueFull],
            Code::Aborted,
            Code::FailedPrecondition,
            Code::Unavailable,
        ),
        (&[RateLimited], Code::ResourceExhausted, Code::FailedPrecondition, Code::ResourceExhausted),
        (
            &[InProgress, PaymentUnknown, UndoInProgress, Locked, UnderReview, LeaseHeld, LeaseLost],
            Code::FailedPrecondition,
            Code::FailedPrecondition,
            Code::FailedPrecondition,
        ),
        (&[ApproverIsProposer], Code::Aborted, Code::Internal, Code::PermissionDenied),
        (&[IdempotencyMismatch], Code::AlreadyExists, Code::Internal, Code::InvalidArgument),
        (&[IdempotencyInUse], Code::FailedPrecondition, Code::FailedPrecondition, Code::Aborted),
        (&[StorageUnavailable], Code::Unavailable, Code::Unavailable, Code::Unavailable),
        (&[ConfirmWithoutTry, PhaseConflict, Broken], Code::Internal, Code::Internal, Code::Internal),
    ];

    #[test]
    fn every_reason_has_the_codes_of_the_table() {
        for (reasons, forward, second, direct) in TABLE {
            for reason in *reasons {
                let codes = (reason.on_forward(), reason.on_second_phase(), reason.on_direct());
                assert_eq!(codes, (*forward, *second, *direct), "{}", reason.as_str());
            }
        }
    }

    #[test]
    fn the_name_on_the_wire_is_the_name_in_the_code() {
        for reason in TABLE.iter().flat_map(|(reasons, ..)| *reasons) {
            let spelled: String = format!("{reason:?}")
                .char_indices()
                .flat_map(|(at, sign)| {
                    let gap = (at > 0 && sign.is_uppercase()).then_some('_');
                    gap.into_iter().chain(sign.to_uppercase())
                })
                .collect();
            assert_eq!(reason.as_str(), spelled);
        }
    }
}
