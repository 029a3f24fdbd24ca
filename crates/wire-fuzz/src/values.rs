//! Hostile values for a field, by its type and by what its name promises. Knows no method.
use crate::dice::Dice;
use crate::samples::{self, Known, NARROW_FILTERS};
use prost_reflect::{
    Cardinality, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value,
};

/// How deep messages are filled that hold messages.
const DEPTH: u32 = 6;
/// A flood is no longer than this: a little beyond what any message may have. Floods of floods would fill the memory
/// of the attacker, not of the attacked.
const FLOOD_BYTES: usize = 1_200_000;
/// Numbers at which things break.
const EDGES: [i64; 16] = [
    0,
    1,
    -1,
    2,
    100,
    101,
    1_000,
    1_001,
    65_536,
    100_000_000_000_000,
    100_000_000_000_001,
    i32::MAX as i64,
    i32::MIN as i64,
    i64::MAX,
    i64::MIN,
    i64::MAX - 1,
];
/// Texts at which things break.
const TEXTS: [&str; 24] = [
    "",
    " ",
    "\0",
    "a\0b",
    "\u{feff}x",
    "\u{202e}abc",
    "Zu\u{308}rich",
    "ä",
    "\u{1F468}\u{200D}\u{1F469}",
    "\n\r\t",
    "%s%n%x",
    "../../etc/passwd",
    "'; DROP TABLE orders; --",
    "\" or 1=1",
    "${jndi:x}",
    "<script>",
    "-1",
    "1e309",
    "NaN",
    "null",
    "4111 1111 1111 1111",
    "\u{10FFFF}",
    "\u{85}",
    "9223372036854775808",
];

/// A message of this type with fields of any value.
pub fn message(kind: &MessageDescriptor, dice: &mut Dice, known: &Known) -> DynamicMessage {
    filled(kind, dice, known, DEPTH)
}

/// Makes one field of the message, or of one inside it, something else.
pub fn disturb(message: &mut DynamicMessage, dice: &mut Dice, known: &Known) {
    let fields: Vec<FieldDescriptor> = message.descriptor().fields().collect();
    if fields.is_empty() {
        return;
    }
    let field = &fields[dice.below(fields.len())];
    if dice.percent(60) && descend(message, field, dice, known) {
        return;
    }
    if dice.percent(10) {
        message.clear_field(field);
    } else {
        let value = of_field(field, dice, known, DEPTH);
        put(message, field, value);
    }
}

/// Disturbs what is inside the field. False where nothing is.
fn descend(message: &mut DynamicMessage, field: &FieldDescriptor, dice: &mut Dice, known: &Known) -> bool {
    let value = message.get_field_mut(field);
    if let Some(inner) = value.as_message_mut() {
        disturb(inner, dice, known);
        return true;
    }
    let Some(list) = value.as_list_mut().filter(|list| !list.is_empty()) else { return false };
    let place = dice.below(list.len());
    match list[place].as_message_mut() {
        Some(inner) => disturb(inner, dice, known),
        None => list[place] = one(field, dice, known, DEPTH),
    }
    true
}

fn filled(kind: &MessageDescriptor, dice: &mut Dice, known: &Known, depth: u32) -> DynamicMessage {
    let mut message = DynamicMessage::new(kind.clone());
    for field in kind.fields() {
        if dice.percent(70) {
            let value = of_field(&field, dice, known, depth);
            put(&mut message, &field, value);
        }
    }
    message
}

/// A value of the wrong type would be our own mistake, not the server's: then the field stays as it was.
fn put(message: &mut DynamicMessage, field: &FieldDescriptor, value: Value) {
    message.try_set_field(field, value).ok();
}

fn of_field(field: &FieldDescriptor, dice: &mut Dice, known: &Known, depth: u32) -> Value {
    if field.cardinality() != Cardinality::Repeated {
        return one(field, dice, known, depth);
    }
    let count = match dice.below(20) {
        0 => 101,
        1 => 2_000,
        few => few % 4,
    };
    let first = one(field, dice, known, depth);
    // Thousands of large ones would only be too large; the same small one is a flood.
    let flood = count > 4;
    let count = if flood { count.min(FLOOD_BYTES / size(&first).max(1)) } else { count };
    let value = |dice: &mut Dice| if flood { first.clone() } else { one(field, dice, known, depth) };
    Value::List((0..count).map(|_| value(dice)).collect())
}

/// About how many bytes it takes up; numbers take up few.
fn size(value: &Value) -> usize {
    match value {
        Value::Message(message) => prost::Message::encoded_len(message),
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Bool(_)
        | Value::I32(_)
        | Value::I64(_)
        | Value::U32(_)
        | Value::U64(_)
        | Value::F32(_)
        | Value::F64(_)
        | Value::EnumNumber(_)
        | Value::List(_)
        | Value::Map(_) => 1,
    }
}

fn one(field: &FieldDescriptor, dice: &mut Dice, known: &Known, depth: u32) -> Value {
    match field.kind() {
        Kind::String => Value::String(text(field, dice, known)),
        Kind::Bytes => Value::Bytes(blob(dice).into()),
        Kind::Bool => Value::Bool(dice.percent(50)),
        Kind::Enum(kind) => Value::EnumNumber(match dice.below(4) {
            0 => narrow(edge(dice)),
            _ => kind.values().nth(dice.below(kind.values().len())).map_or(0, |value| value.number()),
        }),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(narrow(edge(dice))),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(edge(dice)),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(narrow(edge(dice)).cast_unsigned()),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(edge(dice).cast_unsigned()),
        Kind::Float => Value::F32(f32::NAN),
        Kind::Double => Value::F64(f64::INFINITY),
        Kind::Message(kind) if depth == 0 => Value::Message(DynamicMessage::new(kind)),
        Kind::Message(kind) if kind.full_name() == "google.protobuf.Any" => Value::Message(any(&kind, dice)),
        Kind::Message(kind) => Value::Message(filled(&kind, dice, known, depth - 1)),
    }
}

/// The low half, whatever it means then.
fn narrow(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX })
}

fn edge(dice: &mut Dice) -> i64 {
    match dice.below(4) {
        0 => dice.number().cast_signed(),
        1 => i64::try_from(dice.below(2_000)).unwrap_or(0),
        _ => EDGES[dice.below(EDGES.len())],
    }
}

fn blob(dice: &mut Dice) -> Vec<u8> {
    let length = match dice.below(10) {
        0 => 0,
        1 => 100_000,
        2 => 32,
        _ => dice.below(200),
    };
    dice.bytes(length)
}

fn any(kind: &MessageDescriptor, dice: &mut Dice) -> DynamicMessage {
    use prost::Message as _;
    let urls = [
        "type.googleapis.com/pay.checkout.v1.CheckoutInput",
        "/pay.checkout.v1.CheckoutInput",
        "pay.checkout.v1.CheckoutInput",
        "type.googleapis.com/pay.order.v1.PlaceRequest",
        "type.googleapis.com/google.protobuf.Any",
        "",
        "/",
        "type.googleapis.com/pay.nothing.v1.Nothing",
    ];
    let url = dice.pick(&urls).to_owned();
    let value = if dice.percent(50) { samples::checkout(dice).encode_to_vec() } else { blob(dice) };
    let mut any = DynamicMessage::new(kind.clone());
    any.set_field_by_name("type_url", Value::String(url));
    any.set_field_by_name("value", Value::Bytes(value.into()));
    any
}

/// What the name of a text field promises, or something that nobody asked for.
fn text(field: &FieldDescriptor, dice: &mut Dice, known: &Known) -> String {
    let parent = field.parent_message().name().to_owned();
    // An act in bulk whose filter fits anything but the fuzzer's own would be a fair order, and harm the good traffic.
    if field.name() == "filter" && parent == "StartBulkRequest" {
        return dice.pick(&NARROW_FILTERS).to_owned();
    }
    if dice.percent(50) {
        return hostile(dice);
    }
    match field.name() {
        "gid" | "bulk_id" if parent != "ResolveRequest" => known.gid(dice),
        name if name.ends_with("_id")
            && !["merchant_id", "user_id", "account_id", "branch_id"].contains(&name) =>
        {
            dice.uuid7()
        }
        "user_id" | "owner" => samples::USER.to_owned(),
        "merchant_id" => samples::MERCHANT.to_owned(),
        "account_id" | "debit_account_id" => samples::wallet(),
        "credit_account_id" => samples::pending(),
        "sku" => samples::SKU.to_owned(),
        "currency" => dice.pick(&["USD", "JPY", "KWD", "usd", "XXX", "EUR"]).to_owned(),
        "branch_id" => dice.pick(&["01", "05", "99", "0", "001"]).to_owned(),
        "op" => dice.pick(&["action", "compensate", "try", "confirm", "cancel", "ACTION"]).to_owned(),
        // Holds on what the good traffic needs would be fair orders too; these fit nothing.
        "definition" if parent == "Scope" => "fuzz".to_owned(),
        "participant" if parent == "Scope" => "fuzz".to_owned(),
        "definition" => dice.pick(&["checkout", "own_saga", "own_tcc", "nothing"]).to_owned(),
        "participant" => dice.pick(&["points", "order", "nobody"]).to_owned(),
        "filter" => filter(dice),
        "cursor" | "page_token" => dice.pick(&["", "0", "1", "-1", "AAAA", "9223372036854775807"]).to_owned(),
        "after" => dice.pick(&["one", "two", "three"]).to_owned(),
        _other => dice.pick(&["fuzz", "x", "tok_decline", "one"]).to_owned(),
    }
}

fn filter(dice: &mut Dice) -> String {
    match dice.below(6) {
        0 => "(".repeat(dice.below(3_000)),
        1 => format!("not {}", "not ".repeat(dice.below(500)) + "open"),
        2 => vec!["age > 5m"; dice.below(300) + 1].join(" or "),
        3 => format!("reason ~ \"{}\"", "%_".repeat(dice.below(250))),
        4 => "started > 9999-12-31T23:59:59Z and finished < 0000-01-01".to_owned(),
        _ => dice
            .pick(&[
                "status in (running, failed)",
                "age > 99999999999999w",
                "attempts > 99999999999999999999",
                "gid = \"\u{0}\"",
                "participant = points and step = Earn",
                "code = UNAVAILABLE or waiting_for = gateway",
                "business_key ~ \"'\"",
            ])
            .to_owned(),
    }
}

fn hostile(dice: &mut Dice) -> String {
    match dice.below(12) {
        0 => "a".repeat(dice.below(300)),
        1 => "\u{1F4A3}".repeat(dice.below(2_000)),
        2 => "a".repeat(70_000),
        3 => dice.uuid7().to_uppercase(),
        4 => dice.uuid7(),
        5 => {
            let count = dice.below(40);
            (0..count).filter_map(|_| char::from_u32(u32::try_from(dice.below(0x11_0000)).ok()?)).collect()
        }
        _ => TEXTS[dice.below(TEXTS.len())].to_owned(),
    }
}
