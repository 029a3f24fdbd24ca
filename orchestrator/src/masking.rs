//! Messages as they may be shown: JSON in which fields that the proto marks `sensitive` have stars (orchestration.md
//! item 20). Knows descriptors only; a message of a type that they do not name is not shown at all.

use amends_proto::DESCRIPTORS;
use prost::Message as _;
use prost_reflect::ReflectMessage as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, MessageDescriptor,
    SerializeOptions, Value,
};
use std::sync::LazyLock;

/// What stands in place of a sensitive text.
const STARS: &str = "***";
/// Messages within messages are followed so deep; what lies deeper is not shown.
const DEEPEST: usize = 32;

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).expect("the descriptor set was made by this build"));
static SENSITIVE: LazyLock<ExtensionDescriptor> = LazyLock::new(|| {
    POOL.get_extension_by_name("amends.v1.sensitive").expect("the descriptor set has our own option")
});

/// The message that a method takes, by its full name `package.Service/Method`; `None` = not one of ours.
#[must_use]
pub fn request_of(method: &str) -> Option<MessageDescriptor> {
    let (service, method) = method.split_once('/')?;
    let service = POOL.get_service_by_name(service)?;
    service.methods().find(|known| known.name() == method).map(|known| known.input())
}

/// A message of ours by its full name; `None` = there is none.
#[must_use]
pub fn message(name: &str) -> Option<MessageDescriptor> {
    POOL.get_message_by_name(name)
}

/// The JSON of a message with stars in place of what is sensitive; `None` = the bytes are none of this type.
#[must_use]
pub fn json(message: &MessageDescriptor, bytes: &[u8]) -> Option<String> {
    let mut message = DynamicMessage::decode(message.clone(), bytes).ok()?;
    if !mask(&mut message, DEEPEST) {
        return None;
    }
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false)
        .skip_default_fields(false);
    let value = message.serialize_with_options(serde_json::value::Serializer, &options).ok()?;
    Some(value.to_string())
}

/// Whether the message can be shown, now that what is sensitive is masked.
fn mask(message: &mut DynamicMessage, depth: usize) -> bool {
    if depth == 0 {
        return false;
    }
    if message.descriptor().full_name() == "google.protobuf.Any" {
        return mask_any(message, depth);
    }
    let fields: Vec<FieldDescriptor> = message.fields().map(|(field, _)| field).collect();
    for field in fields {
        if is_sensitive(&field) {
            hide(message, &field);
        } else if !within(message.get_field_mut(&field), depth) {
            message.clear_field(&field);
        }
    }
    true
}

fn is_sensitive(field: &FieldDescriptor) -> bool {
    field.options().get_extension(&SENSITIVE).as_bool() == Some(true)
}

/// A text becomes stars; of anything else it is only hidden that it is there.
fn hide(message: &mut DynamicMessage, field: &FieldDescriptor) {
    let stars = || Value::String(STARS.to_owned());
    let value = message.get_field(field);
    let texts = value.as_list().filter(|texts| texts.iter().all(|text| text.as_str().is_some()));
    let masked = match (value.as_str(), texts) {
        (Some(_), _) => Some(stars()),
        (None, Some(texts)) => Some(Value::List(texts.iter().map(|_| stars()).collect())),
        (None, None) => None,
    };
    drop(value);
    match masked {
        Some(masked) => message.set_field(field, masked),
        None => message.clear_field(field),
    }
}

/// Whether the value can be shown; entries that cannot are taken out.
fn within(value: &mut Value, depth: usize) -> bool {
    if let Some(message) = value.as_message_mut() {
        return mask(message, depth - 1);
    }
    if let Some(values) = value.as_list_mut() {
        values.retain_mut(|value| within(value, depth));
    } else if let Some(values) = value.as_map_mut() {
        values.retain(|_, value| within(value, depth));
    }
    true
}

/// What is packed is unpacked, masked and packed again.
fn mask_any(message: &mut DynamicMessage, depth: usize) -> bool {
    let unpacked = message.transcode_to::<prost_types::Any>().ok().and_then(|any| {
        let name = any.type_url.rsplit('/').next()?;
        let inner = DynamicMessage::decode(POOL.get_message_by_name(name)?, any.value.as_slice()).ok()?;
        Some((any.type_url.clone(), inner))
    });
    let Some((type_url, mut inner)) = unpacked else { return false };
    let any = |inner: &DynamicMessage| prost_types::Any { type_url, value: inner.encode_to_vec() };
    mask(&mut inner, depth - 1) && message.transcode_from(&any(&inner)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_proto::amends::v1::StartRequest;
    use amends_proto::pay::checkout::v1::{Card, CheckoutInput};
    use amends_proto::pay::gateway::v1::{PayRequest, Risk};

    const SECRETS: [&str; 5] = ["tok_secret", "10.1.2.3", "device-9", "fp-77", "tok_other"];

    fn shown(method: &str, bytes: &[u8]) -> String {
        let json = json(&request_of(method).unwrap(), bytes).unwrap();
        for secret in SECRETS {
            assert!(!json.contains(secret), "{secret} is shown: {json}");
        }
        json
    }

    #[test]
    fn a_charge_is_shown_without_its_card() {
        let charge = PayRequest {
            payment_id: "p-1".into(),
            card_token: "tok_secret".into(),
            risk: Some(Risk {
                ip: "10.1.2.3".into(),
                device_id: "device-9".into(),
                card_fingerprint: "fp-77".into(),
            }),
            ..PayRequest::default()
        };
        let json = shown("pay.gateway.v1.GatewayService/Charge", &charge.encode_to_vec());
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["payment_id"], "p-1");
        assert_eq!((&json["card_token"], &json["risk"]["ip"]), (&STARS.into(), &STARS.into()));
    }

    #[test]
    fn what_is_packed_into_another_message_is_masked_too() {
        let card =
            Card { card_token: "tok_other".into(), card_fingerprint: "fp-77".into(), ..Card::default() };
        let input = CheckoutInput { user_id: "u-1".into(), card: Some(card), ..CheckoutInput::default() };
        let pack = |type_url: &str| {
            let any = prost_types::Any { type_url: type_url.to_owned(), value: input.encode_to_vec() };
            StartRequest { request_id: "r-1".into(), input: Some(any), ..StartRequest::default() }
                .encode_to_vec()
        };
        let method = "amends.v1.Transactions/Start";
        let json = shown(method, &pack("type.googleapis.com/pay.checkout.v1.CheckoutInput"));
        assert!(json.contains("u-1") && json.contains(STARS), "{json}");
        let json = shown(method, &pack("type.googleapis.com/of.nobody.Knows"));
        assert!(json.contains("r-1") && !json.contains("u-1"), "{json}");
    }

    #[test]
    fn what_is_not_known_is_not_shown() {
        assert!(request_of("of.nobody.Service/Do").is_none());
        assert!(request_of("pay.gateway.v1.GatewayService/Nothing").is_none());
        assert!(request_of("").is_none());
        let charge = request_of("pay.gateway.v1.GatewayService/Charge").unwrap();
        assert!(json(&charge, &[7]).is_none());
    }

    #[test]
    fn no_message_of_ours_has_a_card_that_is_not_marked() {
        let secret = |name: &str| {
            ["card_token", "fingerprint", "device_id", "ip", "cvv", "pan"]
                .iter()
                .any(|word| name == *word || name.ends_with(&format!("_{word}")))
        };
        let fields = POOL.all_messages().flat_map(|message| message.fields().collect::<Vec<_>>());
        let (marked, open): (Vec<_>, Vec<_>) =
            fields.filter(|field| secret(field.name())).partition(is_sensitive);
        assert!(marked.len() >= 7, "{marked:?}");
        assert!(open.is_empty(), "{open:?}");
    }
}
