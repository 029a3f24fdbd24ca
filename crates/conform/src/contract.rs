//! The methods of a form as the target's descriptors have them, and payloads as their requests. Knows no call.
use prost::Message as _;
use prost::bytes::Bytes;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, MethodDescriptor, ServiceDescriptor,
};
use serde_json::Value;
use tonic::codegen::http::uri::PathAndQuery;

use crate::error::ConformError;
use crate::form::{Form, Phase};

/// The methods of a form.
#[derive(Debug)]
pub(crate) struct Contract {
    methods: Vec<(Phase, MethodDescriptor, PathAndQuery)>,
}

impl Contract {
    /// Finds the methods of `form` in `service`.
    pub(crate) fn find(pool: &DescriptorPool, service: &str, form: &Form) -> Result<Contract, ConformError> {
        let found = pool.get_service_by_name(service).ok_or_else(|| {
            let known = listed(pool.services().map(|service| service.full_name().to_owned()));
            ConformError::Service { name: service.to_owned(), known }
        })?;
        let method = |(phase, name): (Phase, &str)| {
            let method = method(&found, name)?;
            let path = PathAndQuery::try_from(format!("/{service}/{name}"));
            let path = path.map_err(|_| ConformError::Streaming(name.to_owned()))?;
            Ok((phase, method, path))
        };
        let methods = form.methods().into_iter().map(method).collect::<Result<_, ConformError>>()?;
        Ok(Contract { methods })
    }

    /// Path of the method of a phase; none where the form has no such phase.
    pub(crate) fn path(&self, phase: Phase) -> Option<&PathAndQuery> {
        self.methods.iter().find(|(of, ..)| *of == phase).map(|(_, _, path)| path)
    }

    /// The request that a payload stands for. Second phases get the same bytes: a coordinator keeps one payload per branch.
    pub(crate) fn encode(&self, payload: &Value) -> Result<Bytes, ConformError> {
        let (_, method, _) = &self.methods[0];
        let message = method.input();
        let options = DeserializeOptions::new().deny_unknown_fields(true);
        let dynamic = DynamicMessage::deserialize_with_options(message.clone(), payload, &options);
        let dynamic = dynamic.map_err(|error| ConformError::Misfit {
            message: message.full_name().to_owned(),
            what: error.to_string(),
        })?;
        Ok(dynamic.encode_to_vec().into())
    }
}

fn method(service: &ServiceDescriptor, name: &str) -> Result<MethodDescriptor, ConformError> {
    let found = service.methods().find(|method| method.name() == name);
    let found = found.ok_or_else(|| ConformError::Method {
        service: service.full_name().to_owned(),
        name: name.to_owned(),
        known: listed(service.methods().map(|method| method.name().to_owned())),
    })?;
    if found.is_client_streaming() || found.is_server_streaming() {
        return Err(ConformError::Streaming(name.to_owned()));
    }
    Ok(found)
}

fn listed(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
