//! JSON as every verb speaks it: proto field names in snake_case, int64 as numbers, enums as short lower-case names,
//! times in RFC 3339. Input takes both spellings of fields and enums. Knows no message by itself: descriptors do.
use anyhow::Context as _;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, EnumDescriptor, Kind, MessageDescriptor,
    SerializeOptions,
};
use serde_json::Value;
use std::sync::LazyLock;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(amends_proto::DESCRIPTORS).expect("the descriptor set was made by this build")
});

/// The JSON of a message whose full name is `name`.
pub fn of<M: Message>(name: &str, message: &M) -> anyhow::Result<Value> {
    let descriptor = descriptor(name)?;
    let dynamic = DynamicMessage::decode(descriptor.clone(), message.encode_to_vec().as_slice())?;
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false)
        .skip_default_fields(false);
    let mut value = dynamic.serialize_with_options(serde_json::value::Serializer, &options)?;
    each_enum(&descriptor, &mut value, &shorten);
    Ok(value)
}

/// Reads a message whose full name is `name` from JSON text. Unknown fields are errors: a typo must not be ignored.
pub fn parse<M: Message + Default>(name: &str, text: &str) -> anyhow::Result<M> {
    let descriptor = descriptor(name)?;
    let mut value: Value = serde_json::from_str(text).context("the input is not JSON")?;
    each_enum(&descriptor, &mut value, &lengthen);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let dynamic = DynamicMessage::deserialize_with_options(descriptor, value, &options)
        .with_context(|| format!("the input is no {name}"))?;
    Ok(dynamic.transcode_to()?)
}

/// The short lower-case name of an enum value, e.g. `running` of `STATUS_RUNNING`.
pub fn short_name(enum_name: &str, value_name: &str) -> String {
    let prefix = format!("{}_", screaming(enum_name));
    value_name.strip_prefix(&prefix).unwrap_or(value_name).to_ascii_lowercase()
}

fn descriptor(name: &str) -> anyhow::Result<MessageDescriptor> {
    POOL.get_message_by_name(name).with_context(|| format!("no message is called {name}"))
}

/// Applies `change` to each enum value in `value`, the JSON of a message.
fn each_enum(message: &MessageDescriptor, value: &mut Value, change: &impl Fn(&EnumDescriptor, &mut Value)) {
    let Value::Object(object) = value else { return };
    for field in message.fields() {
        for name in [field.name().to_owned(), field.json_name().to_owned()] {
            // A field whose two spellings are equal is changed twice, which changes nothing more.
            let Some(value) = object.get_mut(&name) else { continue };
            let values = if let Value::Array(values) = value { values } else { std::slice::from_mut(value) };
            for value in values {
                if let Kind::Enum(descriptor) = field.kind() {
                    change(&descriptor, value);
                } else if let Kind::Message(inner) = field.kind() {
                    each_enum(&inner, value, change);
                }
            }
        }
    }
}

fn shorten(descriptor: &EnumDescriptor, value: &mut Value) {
    if let Value::String(name) = value {
        *name = short_name(descriptor.name(), name);
    }
}

/// Turns a short name into the full one; what is not a name of this enum stays, and is refused by the reader.
fn lengthen(descriptor: &EnumDescriptor, value: &mut Value) {
    let Value::String(name) = value else { return };
    let wanted = name.to_ascii_lowercase();
    let full = descriptor.values().find(|known| short_name(descriptor.name(), known.name()) == wanted);
    if let Some(full) = full {
        full.name().clone_into(name);
    }
}

/// `OpState` → `OP_STATE`.
fn screaming(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for (at, letter) in name.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_proto::amends::v1::{GlobalTransaction, ListRequest, Mode, Op, OpState, Status, Step};
    use amends_proto::pay::checkout::v1::CheckoutInput;
    use serde_json::json;

    const TRANSACTION: &str = "amends.v1.GlobalTransaction";
    const INPUT: &str = "pay.checkout.v1.CheckoutInput";

    fn transaction() -> GlobalTransaction {
        GlobalTransaction {
            gid: "018f0000-0000-7000-8000-000000000000".into(),
            status: Status::Running.into(),
            mode: Mode::Tcc.into(),
            created_at: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 250_000_000 }),
            last_seq: 1 << 60,
            steps: vec![Step {
                ops: vec![Op { op: "try".into(), state: OpState::Succeeded.into(), ..Op::default() }],
                ..Step::default()
            }],
            ..GlobalTransaction::default()
        }
    }

    #[test]
    fn output_follows_the_rules() {
        let value = of(TRANSACTION, &transaction()).unwrap();
        assert_eq!(value["status"], "running");
        assert_eq!(value["mode"], "tcc");
        assert_eq!(value["last_seq"], json!(1_u64 << 60));
        assert_eq!(value["created_at"], "2023-11-14T22:13:20.250Z");
        assert_eq!(value["steps"][0]["ops"][0]["state"], "succeeded");
        assert_eq!(value["business_key"], "", "defaults are written: field names are stable");
        assert!(value.get("attention").is_none(), "what is absent is left out");
    }

    #[test]
    fn what_is_written_can_be_read_again() {
        let text = of(TRANSACTION, &transaction()).unwrap().to_string();
        assert_eq!(parse::<GlobalTransaction>(TRANSACTION, &text).unwrap(), transaction());
    }

    #[test]
    fn both_spellings_of_enums_are_read() {
        for spelling in ["running", "RUNNING", "STATUS_RUNNING"] {
            let text = json!({"statuses": [spelling], "page_size": 5}).to_string();
            let request: ListRequest = parse("amends.v1.ListRequest", &text).unwrap();
            assert_eq!(request.statuses, [i32::from(Status::Running)], "{spelling}");
        }
        let wrong = json!({"statuses": ["walking"]}).to_string();
        assert!(parse::<ListRequest>("amends.v1.ListRequest", &wrong).is_err());
    }

    #[test]
    fn both_spellings_of_fields_are_read() {
        let snake =
            json!({"out_trade_no": "7", "total": {"minor_units": 120, "currency": "USD"}, "earn_bp": 100});
        let camel =
            json!({"outTradeNo": "7", "total": {"minorUnits": "120", "currency": "USD"}, "earnBp": 100});
        let snake: CheckoutInput = parse(INPUT, &snake.to_string()).unwrap();
        let camel: CheckoutInput = parse(INPUT, &camel.to_string()).unwrap();
        assert_eq!(snake, camel);
        assert_eq!(snake.total.unwrap().minor_units, 120);
    }

    #[test]
    fn a_misspelt_field_is_named() {
        let error = parse::<CheckoutInput>(INPUT, r#"{"out_trade_nr": "7"}"#).unwrap_err();
        assert!(format!("{error:#}").contains("out_trade_nr"), "{error:#}");
    }

    #[test]
    fn short_names_lose_the_name_of_their_enum() {
        assert_eq!(short_name("OpState", "OP_STATE_SKIPPED"), "skipped");
        assert_eq!(short_name("PaymentState", "PAYMENT_STATE_IN_DOUBT"), "in_doubt");
        assert_eq!(short_name("Status", "ELSEWHERE"), "elsewhere");
    }
}
