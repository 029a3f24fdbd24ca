//! Asks a server for its descriptors: reflection v1, or v1alpha of older servers. Knows no rule.
use amends_dtm::code_name;
use prost::Message as _;
use prost_reflect::DescriptorPool;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use std::collections::BTreeMap;
use std::time::Duration;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::error::ConformError;

/// The longest that one question may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Descriptors of a large product line fit.
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// What is asked for.
enum Question {
    Symbol(String),
    File(String),
}

/// The two versions differ in nothing but their package.
macro_rules! ask {
    ($version:ident, $channel:expr, $question:expr) => {{
        use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
        use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
        let message_request = Some(match $question {
            Question::Symbol(name) => MessageRequest::FileContainingSymbol(name.clone()),
            Question::File(name) => MessageRequest::FileByFilename(name.clone()),
        });
        let asked =
            tonic_reflection::pb::$version::ServerReflectionRequest { host: String::new(), message_request };
        let mut request = Request::new(tokio_stream::once(asked));
        request.set_timeout(TIMEOUT);
        let mut client =
            ServerReflectionClient::new($channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let mut answers = client.server_reflection_info(request).await?.into_inner();
        let answer = answers.message().await?.and_then(|answer| answer.message_response);
        match answer {
            Some(MessageResponse::FileDescriptorResponse(files)) => Ok(files.file_descriptor_proto),
            Some(MessageResponse::ErrorResponse(error)) => {
                Err(Status::new(Code::from(error.error_code), error.error_message))
            }
            Some(
                MessageResponse::AllExtensionNumbersResponse(_) | MessageResponse::ListServicesResponse(_),
            )
            | None => Err(Status::internal("reflection answered something else")),
        }
    }};
}

#[derive(Clone, Copy)]
enum Version {
    V1,
    V1Alpha,
}

async fn ask(channel: &Channel, version: Version, question: &Question) -> Result<Vec<Vec<u8>>, Status> {
    match version {
        Version::V1 => ask!(v1, channel, question),
        Version::V1Alpha => ask!(v1alpha, channel, question),
    }
}

/// The descriptors of a service with everything that they import.
pub(crate) async fn descriptors(
    channel: &Channel,
    target: &str,
    service: &str,
) -> Result<DescriptorPool, ConformError> {
    let symbol = Question::Symbol(service.to_owned());
    let refused = |status: &Status| {
        if status.code() == Code::NotFound {
            ConformError::Service { name: service.to_owned(), known: "unknown to reflection".to_owned() }
        } else {
            ConformError::NoReflection { target: target.to_owned(), what: said(status) }
        }
    };
    let (version, first) = match ask(channel, Version::V1, &symbol).await {
        Err(status) if status.code() == Code::Unimplemented => {
            (Version::V1Alpha, ask(channel, Version::V1Alpha, &symbol).await)
        }
        answer => (Version::V1, answer),
    };
    let mut files = BTreeMap::new();
    take(&mut files, &first.map_err(|status| refused(&status))?);
    while let Some(missing) = missing_import(&files) {
        let more = ask(channel, version, &Question::File(missing.clone())).await;
        take(&mut files, &more.map_err(|status| refused(&status))?);
        if !files.contains_key(&missing) {
            let what = format!("it does not give {missing}");
            return Err(ConformError::NoReflection { target: target.to_owned(), what });
        }
    }
    let set = FileDescriptorSet { file: files.into_values().collect() };
    Ok(DescriptorPool::from_file_descriptor_set(set)?)
}

/// What a server that does not know the method answers has most often no text.
fn said(status: &Status) -> String {
    match status.message() {
        "" => code_name(status.code()).to_owned(),
        text => text.to_owned(),
    }
}

fn take(files: &mut BTreeMap<String, FileDescriptorProto>, encoded: &[Vec<u8>]) {
    let decoded = encoded.iter().filter_map(|bytes| FileDescriptorProto::decode(bytes.as_slice()).ok());
    files.extend(decoded.map(|file| (file.name().to_owned(), file)));
}

fn missing_import(files: &BTreeMap<String, FileDescriptorProto>) -> Option<String> {
    let imports = files.values().flat_map(|file| &file.dependency);
    imports.into_iter().find(|name| !files.contains_key(*name)).cloned()
}
