//! The methods that are known, and whether a payload is a request of one. Knows descriptors; must not know plans.

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, ServiceDescriptor, Value};

/// Descriptors that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("not a descriptor set, or not one that fits the others")]
pub struct DescriptorError(#[from] prost_reflect::DescriptorError);

/// What the services that plans call look like.
#[derive(Debug, Clone)]
pub struct Services {
    pool: DescriptorPool,
}

impl Services {
    /// The services of this build.
    #[must_use]
    pub fn of_this_build() -> Self {
        let pool = DescriptorPool::decode(amends_proto::DESCRIPTORS);
        Self { pool: pool.expect("the descriptor set was made by this build") }
    }

    /// Takes in others, from an encoded `FileDescriptorSet` with its imports.
    ///
    /// # Errors
    /// Where it is none, or says otherwise of a name that is known.
    pub fn add(&mut self, descriptors: &[u8]) -> Result<(), DescriptorError> {
        Ok(self.pool.decode_file_descriptor_set(descriptors)?)
    }

    /// A service by its full name.
    pub(super) fn service(&self, name: &str) -> Option<ServiceDescriptor> {
        self.pool.get_service_by_name(name)
    }
}

/// Why a payload is no request of a method; `None` = it is one.
pub(super) fn misfit(method: &MethodDescriptor, payload: &[u8]) -> Option<String> {
    let wanted = method.input();
    match DynamicMessage::decode(wanted.clone(), payload) {
        Err(error) => Some(format!("the payload is no {}: {error}", wanted.full_name())),
        Ok(message) => foreign_field(&message)
            .map(|number| format!("the payload is no {}: it has no field {number}", wanted.full_name())),
    }
}

/// The number of a field that the type does not have, wherever it is.
fn foreign_field(message: &DynamicMessage) -> Option<u32> {
    let here = message.unknown_fields().next().map(prost_reflect::UnknownField::number);
    here.or_else(|| message.fields().find_map(|(_, value)| foreign_in(value)))
}

fn foreign_in(value: &Value) -> Option<u32> {
    match value {
        Value::Message(message) => foreign_field(message),
        Value::List(values) => values.iter().find_map(foreign_in),
        Value::Map(values) => values.values().find_map(foreign_in),
        Value::Bool(_)
        | Value::I32(_)
        | Value::I64(_)
        | Value::U32(_)
        | Value::U64(_)
        | Value::F32(_)
        | Value::F64(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::EnumNumber(_) => None,
    }
}
