//! The operations of the processor, by name. Knows neither behaviours nor storage.

/// What a caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// Reserve money on a card.
    Authorize,
    /// Take money that was reserved.
    Capture,
    /// Reserve and take in one.
    Sale,
    /// Release what is reserved.
    Void,
    /// Give back what was taken.
    Refund,
    /// Ask what became of a request.
    Query,
    /// Forbid a request for ever.
    Close,
}

impl Op {
    /// All operations, for tables and tests.
    pub const ALL: [Op; 7] =
        [Op::Authorize, Op::Capture, Op::Sale, Op::Void, Op::Refund, Op::Query, Op::Close];

    /// The word that scripts, facts and the store use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Op::Authorize => "authorize",
            Op::Capture => "capture",
            Op::Sale => "sale",
            Op::Void => "void",
            Op::Refund => "refund",
            Op::Query => "query",
            Op::Close => "close",
        }
    }

    /// The operation of that word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Op> {
        Op::ALL.into_iter().find(|op| op.as_str() == text)
    }

    /// Whether this operation opens a payment: its request id is what the others refer to.
    #[must_use]
    pub fn opens_payment(self) -> bool {
        match self {
            Op::Authorize | Op::Sale => true,
            Op::Capture | Op::Void | Op::Refund | Op::Query | Op::Close => false,
        }
    }
}
