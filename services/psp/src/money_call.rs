//! A request that moves money, checked, and what makes two of them the same. Knows no store and no wire.

use sha2::{Digest, Sha256};

use crate::op::Op;

/// A request that moves money, checked.
#[derive(Debug, Clone)]
pub struct MoneyCall {
    /// What is asked for.
    pub op: Op,
    /// The key of deduplication.
    pub request_id: String,
    /// Who asks.
    pub merchant_id: String,
    /// For which order.
    pub order_id: String,
    /// How much.
    pub amount_minor: i64,
    /// Of which currency.
    pub currency: String,
    /// The token of the card; empty for the ops that do not open a payment.
    pub card_token: String,
    /// The payment; empty for the ops that open one.
    pub original_request_id: String,
}

impl MoneyCall {
    #[must_use]
    /// Hex SHA-256 over everything that makes two requests the same; the card token itself is never stored.
    pub fn params_hash(&self) -> String {
        let amount = self.amount_minor.to_string();
        let parts = [
            self.op.as_str(),
            &self.merchant_id,
            &self.order_id,
            &amount,
            &self.currency,
            &self.card_token,
            &self.original_request_id,
        ];
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        data_encoding::HEXLOWER.encode(&hash.finalize())
    }
}
