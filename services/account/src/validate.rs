//! Requests as they come in, checked and turned into what the ledger works with. Knows no store.

use crate::entity::AccountKind;
use amends_participant::money::{Amount, Currency};
use amends_participant::{Reason, Refusal, fields};
use amends_proto::pay::account::v1::{
    AccountType, DepositRequest, FreezeRequest, OpenRequest, TransferRequest,
};

/// Long enough for `MERCHANT_PENDING:<64 characters>:<currency>` and for what operators may add.
const ACCOUNT_ID_MAX: usize = 200;
/// A hold is looked after following this many seconds unless the caller says otherwise.
const HOLD_TTL_DEFAULT_S: i64 = 900;
/// No hold waits longer than 30 days before somebody looks at it.
const HOLD_TTL_MAX_S: i64 = 30 * 24 * 3600;
/// As far below zero as a merchant may go: the largest single amount.
const FLOOR_MIN: i64 = -fields::QUANTITY_MAX;
/// Where money from outside comes from, one per currency.
const FUNDING: &str = "FUNDING:";
/// Who owes what reversals could not take back, one per owner and currency.
const RECEIVABLE: &str = "RECEIVABLE:";

/// A transfer that may be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    pub transfer_id: String,
    pub debit_account_id: String,
    pub credit_account_id: String,
    pub amount: Amount,
    pub code: String,
    pub order_id: String,
    pub hold_ttl_s: i64,
}

/// An account that may be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    pub account_id: String,
    pub owner: String,
    pub kind: AccountKind,
    pub currency: String,
    pub floor: Option<i64>,
}

/// Money that may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposit {
    pub account_id: String,
    pub amount: Amount,
}

/// The account that deposits in a currency come from.
pub fn funding_account(currency: &str) -> Opening {
    Opening {
        account_id: format!("{FUNDING}{currency}"),
        owner: "house".to_owned(),
        kind: AccountKind::Internal,
        currency: currency.to_owned(),
        floor: None,
    }
}

/// The account that keeps what an owner still has to pay.
pub fn receivable_account(owner: &str, currency: &str) -> Opening {
    Opening {
        account_id: format!("{RECEIVABLE}{owner}:{currency}"),
        owner: owner.to_owned(),
        kind: AccountKind::Internal,
        currency: currency.to_owned(),
        floor: None,
    }
}

/// An account id: 1 to 200 of `[A-Za-z0-9_.:-]`.
pub fn account_id(value: &str, field: &str) -> Result<String, Refusal> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-');
    if !value.bytes().all(allowed) {
        return Err(invalid(format!("{field}: has a character that is not allowed")));
    }
    fields::required_text(value, ACCOUNT_ID_MAX, field).map(str::to_owned)
}

impl Transfer {
    /// Checks every field of the request.
    pub fn checked(request: &TransferRequest) -> Result<Transfer, Refusal> {
        let transfer = Transfer {
            transfer_id: fields::uuid7(&request.transfer_id, "transfer_id")?.to_owned(),
            debit_account_id: account_id(&request.debit_account_id, "debit_account_id")?,
            credit_account_id: account_id(&request.credit_account_id, "credit_account_id")?,
            amount: Amount::checked(request.amount.as_ref(), "amount")?,
            code: fields::name(&request.code, "code")?.to_owned(),
            order_id: fields::uuid7(&request.order_id, "order_id")?.to_owned(),
            hold_ttl_s: hold_ttl_s(request.hold_ttl_s)?,
        };
        if transfer.debit_account_id == transfer.credit_account_id {
            return Err(invalid("debit and credit account are the same"));
        }
        if transfer.debit_account_id.starts_with(RECEIVABLE) {
            return Err(invalid("debit_account_id: only reversals book to receivables"));
        }
        Ok(transfer)
    }
}

impl Opening {
    /// Checks every field of the request.
    pub fn checked(request: &OpenRequest) -> Result<Opening, Refusal> {
        let kind = kind(request.r#type())?;
        let opening = Opening {
            account_id: account_id(&request.account_id, "account_id")?,
            owner: fields::name(&request.owner, "owner")?.to_owned(),
            kind,
            currency: Currency::parse(&request.currency, "currency")?.code().to_owned(),
            floor: floor(kind, request.floor)?,
        };
        if reserved_name_misused(&opening) {
            return Err(invalid(
                "account_id: FUNDING: and RECEIVABLE: name internal accounts of their currency",
            ));
        }
        Ok(opening)
    }
}

impl Deposit {
    /// Checks account and amount; the key is the idempotency guard's to check.
    pub fn checked(request: &DepositRequest) -> Result<Deposit, Refusal> {
        let deposit = Deposit {
            account_id: account_id(&request.account_id, "account_id")?,
            amount: Amount::checked(request.amount.as_ref(), "amount")?,
        };
        if deposit.account_id.starts_with(FUNDING) {
            return Err(invalid("account_id: a funding account takes no deposit"));
        }
        Ok(deposit)
    }
}

/// Checks the name of the account to freeze or thaw.
pub fn frozen_account(request: &FreezeRequest) -> Result<String, Refusal> {
    account_id(&request.account_id, "account_id")
}

fn hold_ttl_s(asked: i32) -> Result<i64, Refusal> {
    match i64::from(asked) {
        0 => Ok(HOLD_TTL_DEFAULT_S),
        ttl_s @ 1..=HOLD_TTL_MAX_S => Ok(ttl_s),
        _ => Err(invalid(format!("hold_ttl_s: 0 to {HOLD_TTL_MAX_S}"))),
    }
}

fn kind(asked: AccountType) -> Result<AccountKind, Refusal> {
    match asked {
        AccountType::UserWallet => Ok(AccountKind::UserWallet),
        AccountType::Merchant => Ok(AccountKind::Merchant),
        AccountType::Internal => Ok(AccountKind::Internal),
        AccountType::Unspecified => Err(invalid("type: must be given")),
    }
}

fn floor(kind: AccountKind, asked: i64) -> Result<Option<i64>, Refusal> {
    match (kind, asked) {
        (AccountKind::UserWallet, 0) => Ok(Some(0)),
        (AccountKind::Merchant, FLOOR_MIN..=0) => Ok(Some(asked)),
        (AccountKind::Internal, 0) => Ok(None),
        (AccountKind::UserWallet | AccountKind::Internal, _) => Err(invalid("floor: for merchants only")),
        (AccountKind::Merchant, _) => Err(invalid(format!("floor: {FLOOR_MIN} to 0"))),
    }
}

/// Whoever held `FUNDING:USD` as a wallet of EUR would stop all deposits, so these names are kept for their use.
fn reserved_name_misused(opening: &Opening) -> bool {
    let internal = opening.kind == AccountKind::Internal;
    if opening.account_id.starts_with(FUNDING) {
        !internal || opening.account_id != funding_account(&opening.currency).account_id
    } else if opening.account_id.starts_with(RECEIVABLE) {
        !internal || opening.account_id != receivable_account(&opening.owner, &opening.currency).account_id
    } else {
        false
    }
}

fn invalid(text: impl Into<String>) -> Refusal {
    Refusal::new(Reason::InvalidRequest, text)
}
