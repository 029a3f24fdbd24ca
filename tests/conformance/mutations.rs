//! Bad input, generated: every field of a valid message, made wrong in every way that its sort can be wrong.
//! Which field is of which sort, and what is wrong for a sort, are the two tables here. Knows no service.
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, MessageDescriptor, ReflectMessage as _, Value,
};
use std::sync::LazyLock;

/// All messages of the project.
pub static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(amends_proto::DESCRIPTORS).unwrap());

const INVALID: &str = "INVALID_REQUEST";
const RANGE: &str = "AMOUNT_OUT_OF_RANGE";
const CURRENCY: &str = "CURRENCY_UNSUPPORTED";
const PAN: &str = "PAN_REJECTED";
/// Largest amount, in minor units (payments-domain §1).
const MOST: i64 = 100_000_000_000_000;
/// A number that passes Luhn.
pub const CARD_NUMBER: &str = "4111111111111111";

/// A message that must be refused, and why.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    pub body: Vec<u8>,
    pub reason: &'static str,
}

/// What a field holds; decides what is wrong for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Id,
    OptionalId,
    Name,
    TradeNo,
    AccountId,
    Token,
    OptionalText,
    Key,
    Evidence,
    Reference,
    Cursor,
    Currency,
    MinorUnits,
    Points,
    Quantity,
    Restock,
    Seconds,
    PageSize,
    Kind,
    WalletFloor,
    Flag,
    Required,
    Optional,
    Lines,
}

/// The sort of a field. A field that has none fails the test: whoever adds one decides here what is wrong for it.
fn sort(field: &FieldDescriptor) -> Sort {
    let parent = field.parent_message();
    match (parent.name(), field.name()) {
        (_, "item_id" | "order_id" | "payment_id" | "transfer_id" | "reservation_id" | "op_id") => Sort::Id,
        (_, "gid") => Sort::OptionalId,
        (_, "merchant_id" | "user_id" | "sku" | "psp" | "method" | "code" | "owner") => Sort::Name,
        (_, "out_trade_no") => Sort::TradeNo,
        (_, "debit_account_id" | "credit_account_id" | "account_id") => Sort::AccountId,
        (_, "card_token") => Sort::Token,
        (_, "ip" | "device_id" | "card_fingerprint" | "notify_url_id") => Sort::OptionalText,
        (_, "idempotency_key" | "psp_txn_id") => Sort::Key,
        (_, "evidence") => Sort::Evidence,
        (_, "reference") => Sort::Reference,
        (_, "cursor") => Sort::Cursor,
        (_, "currency") => Sort::Currency,
        (_, "minor_units") => Sort::MinorUnits,
        (_, "points") => Sort::Points,
        ("RestockRequest", "quantity") => Sort::Restock,
        (_, "quantity") => Sort::Quantity,
        (_, "pay_ttl_s" | "hold_ttl_s" | "ttl_s") => Sort::Seconds,
        (_, "limit") => Sort::PageSize,
        ("OpenRequest", "type") | (_, "resolution") => Sort::Kind,
        ("OpenRequest", "floor") => Sort::WalletFloor,
        (_, "frozen" | "force_query" | "token") => Sort::Flag,
        (_, "total" | "paid" | "amount" | "basis" | "unit_price") => Sort::Required,
        (_, "risk") => Sort::Optional,
        (_, "lines") => Sort::Lines,
        _unknown => panic!("{} has no row in the table of sorts", field.full_name()),
    }
}

/// Lines beyond what a request may have.
const TOO_MANY_LINES: usize = 101;

/// What is wrong for a sort: label, value (none = absent) and the reason of the refusal.
fn wrong(sort: Sort) -> Vec<(String, Option<Value>, &'static str)> {
    match sort {
        Sort::Id => [ids(), vec![absent(INVALID)]].concat(),
        Sort::OptionalId => ids(),
        Sort::Name => [texts(65, PAN), foreign(&["a b", "a/b", "ä"]), vec![absent(INVALID)]].concat(),
        Sort::TradeNo => [texts(65, PAN), foreign(&["a.b", "a:b", "a b"]), vec![absent(INVALID)]].concat(),
        Sort::AccountId => [texts(201, PAN), foreign(&["a b", "a/b"]), vec![absent(INVALID)]].concat(),
        Sort::Token => [texts(129, PAN), vec![absent(INVALID)]].concat(),
        Sort::OptionalText => texts(129, PAN),
        Sort::Key => [texts(65, PAN), vec![absent(INVALID)]].concat(),
        Sort::Evidence => [texts(1_001, PAN), vec![absent(INVALID)]].concat(),
        Sort::Reference => texts(201, PAN),
        Sort::Cursor => foreign(&["not ours", "\u{1}", "ä", &"9".repeat(5_000)]),
        Sort::Currency => {
            let codes = ["usd", "ABC", "US", "USDX", "U\u{0}D", CARD_NUMBER, &"U".repeat(5_000)];
            let wrong = codes.map(|code| (cut(code), Some(text(code)), CURRENCY));
            [wrong.to_vec(), vec![absent(CURRENCY)]].concat()
        }
        Sort::MinorUnits | Sort::Points => {
            [numbers(&[-1, MOST + 1, i64::MIN, i64::MAX], RANGE), vec![absent(RANGE)]].concat()
        }
        Sort::Quantity => {
            [numbers(&[-1, 1_000_001, MOST + 1, i64::MIN, i64::MAX], INVALID), vec![absent(INVALID)]].concat()
        }
        Sort::Restock => numbers(&[-1, MOST + 1, i64::MIN, i64::MAX], INVALID),
        Sort::Seconds | Sort::PageSize => small_numbers(&[-1, 10_000_000, i32::MIN, i32::MAX]),
        Sort::Kind => {
            let kinds = [0, 99, -1].map(|kind| (kind.to_string(), Some(Value::EnumNumber(kind)), INVALID));
            kinds.to_vec()
        }
        Sort::WalletFloor => numbers(&[-1, 1, i64::MIN, i64::MAX], INVALID),
        Sort::Flag | Sort::Optional => Vec::new(),
        Sort::Required | Sort::Lines => vec![absent(INVALID)],
    }
}

fn ids() -> Vec<(String, Option<Value>, &'static str)> {
    let (v4, v7) = ("0192d3c4-5b6a-4f01-8abc-0123456789ab", "0192d3c4-5b6a-7f01-8abc-0123456789ab");
    let forms = [
        v4.to_owned(),
        v7.to_uppercase(),
        v7.replace('-', ""),
        format!("{{{v7}}}"),
        format!("{v7}0"),
        v7[..35].to_owned(),
        "0192d3c4-5b6a-7f01-cabc-0123456789ab".to_owned(),
        "0192d3c4-5b6a-7f01-8abc-0123456789ag".to_owned(),
        "00000000-0000-0000-0000-000000000000".to_owned(),
    ];
    let forms = forms.iter().map(|form| (cut(form), Some(text(form)), INVALID)).collect();
    [forms, texts(65, INVALID)].concat()
}

/// Texts that no field may hold: too long, control characters, not NFC, a card number.
fn texts(too_long: usize, card_number: &'static str) -> Vec<(String, Option<Value>, &'static str)> {
    let wrong = [
        "a".repeat(too_long),
        "a".repeat(5_000),
        "a\u{0}b".to_owned(),
        "a\nb".to_owned(),
        "a\u{85}b".to_owned(),
        "Zu\u{308}rich".to_owned(),
    ];
    let mut wrong: Vec<_> = wrong.iter().map(|wrong| (cut(wrong), Some(text(wrong)), INVALID)).collect();
    wrong.push((CARD_NUMBER.to_owned(), Some(text(CARD_NUMBER)), card_number));
    wrong.push(("card with dashes".to_owned(), Some(text("5555-5555-5555-4444")), card_number));
    wrong
}

fn foreign(wrong: &[&str]) -> Vec<(String, Option<Value>, &'static str)> {
    wrong.iter().map(|wrong| (cut(wrong), Some(text(wrong)), INVALID)).collect()
}

fn numbers(wrong: &[i64], reason: &'static str) -> Vec<(String, Option<Value>, &'static str)> {
    wrong.iter().map(|number| (number.to_string(), Some(Value::I64(*number)), reason)).collect()
}

fn small_numbers(wrong: &[i32]) -> Vec<(String, Option<Value>, &'static str)> {
    wrong.iter().map(|number| (number.to_string(), Some(Value::I32(*number)), INVALID)).collect()
}

fn absent(reason: &'static str) -> (String, Option<Value>, &'static str) {
    ("absent".to_owned(), None, reason)
}

fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

fn cut(value: &str) -> String {
    format!("{:?}", value.chars().take(40).collect::<String>())
}

/// The message type that a method of a service takes.
pub fn input(service: &str, method: &str) -> MessageDescriptor {
    let service = POOL.get_service_by_name(service).unwrap();
    service.methods().find(|candidate| candidate.name() == method).unwrap().input()
}

/// Every case of a valid message. A change that changes nothing is no case.
pub fn cases(kind: MessageDescriptor, valid: &[u8]) -> Vec<Case> {
    let message = DynamicMessage::decode(kind, valid).unwrap();
    let mut cases = Vec::new();
    walk(&message, "", &|changed| changed, &mut cases);
    cases.retain(|case| case.body != message.encode_to_vec());
    cases
}

type Rebuild<'a> = &'a dyn Fn(DynamicMessage) -> DynamicMessage;

fn walk(message: &DynamicMessage, path: &str, rebuild: Rebuild<'_>, cases: &mut Vec<Case>) {
    for field in message.descriptor().fields() {
        let place = format!("{path}{}", field.name());
        let sort = sort(&field);
        for (label, value, reason) in wrong(sort) {
            let mut changed = message.clone();
            match value {
                Some(value) => changed.set_field(&field, value),
                None => changed.clear_field(&field),
            }
            let body = rebuild(changed).encode_to_vec();
            cases.push(Case { name: format!("{place} = {label}"), body, reason });
        }
        if matches!(sort, Sort::Required | Sort::Optional) {
            inside(message, &field, &place, rebuild, cases);
        }
        if sort == Sort::Lines {
            lines(message, &field, &place, rebuild, cases);
        }
    }
}

fn inside(
    message: &DynamicMessage,
    field: &FieldDescriptor,
    place: &str,
    rebuild: Rebuild<'_>,
    cases: &mut Vec<Case>,
) {
    let inner = message.get_field(field);
    let outer = |changed: DynamicMessage| {
        let mut message = message.clone();
        message.set_field(field, Value::Message(changed));
        rebuild(message)
    };
    walk(inner.as_message().unwrap(), &format!("{place}."), &outer, cases);
}

fn lines(
    message: &DynamicMessage,
    field: &FieldDescriptor,
    place: &str,
    rebuild: Rebuild<'_>,
    cases: &mut Vec<Case>,
) {
    let list = message.get_field(field).as_list().unwrap().to_vec();
    let mut many = message.clone();
    many.set_field(field, Value::List(vec![list[0].clone(); TOO_MANY_LINES]));
    let body = rebuild(many).encode_to_vec();
    cases.push(Case { name: format!("{place} = {TOO_MANY_LINES} of them"), body, reason: INVALID });
    let outer = |changed: DynamicMessage| {
        let mut lines = list.clone();
        lines[0] = Value::Message(changed);
        let mut message = message.clone();
        message.set_field(field, Value::List(lines));
        rebuild(message)
    };
    walk(list[0].as_message().unwrap(), &format!("{place}[0]."), &outer, cases);
}
