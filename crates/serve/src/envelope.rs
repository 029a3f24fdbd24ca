//! A call whose message cannot be read is the caller's mistake, and is answered as one. Knows no method.
//!
//! tonic answers INTERNAL there, as it would for a defect of ours: nobody could tell an attack from an incident.
use std::collections::HashMap;

use http::Response;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// How tonic 0.14 begins what it says of a message that is torn, wrongly framed, or not there. A test holds each of
/// them to what the library says.
const UNREADABLE: [&str; 5] = [
    "failed to decode Protobuf message",
    "Missing request message",
    "Unexpected EOF decoding stream",
    "protocol error: received message with",
    "Error decompressing",
];
/// The coordinator keeps the text in a column of 1,024 characters; we stay far below (dtm.md D17).
const MESSAGE_MAX_BYTES: usize = 256;

/// Makes INVALID_ARGUMENT `INVALID_MESSAGE` of the library's INTERNAL. Every other answer stays as it is.
pub(crate) fn own_up(mut response: Response<Body>) -> Response<Body> {
    let status = Status::from_header_map(response.headers()).filter(|status| status.code() == Code::Internal);
    let Some(status) = status.filter(|status| is_unreadable(status.message())) else { return response };
    let text = format!("INVALID_MESSAGE|{}", status.message());
    let text = &text[..text.floor_char_boundary(MESSAGE_MAX_BYTES)];
    let details = ErrorDetails::with_error_info("INVALID_MESSAGE", "amends", HashMap::new());
    let said = Status::with_error_details(Code::InvalidArgument, text, details);
    // The library's own headers can always be replaced; if not, its answer stays.
    said.add_header(response.headers_mut()).ok();
    response
}

fn is_unreadable(message: &str) -> bool {
    UNREADABLE.iter().any(|beginning| message.starts_with(beginning))
}
