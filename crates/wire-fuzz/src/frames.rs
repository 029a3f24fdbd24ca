//! HTTP/2 frames as bytes, without any rule on what may follow what. Knows no server.

/// What a client sends first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types (RFC 9113, 6).
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// The stream ends with this frame.
pub const END_STREAM: u8 = 1;
/// The header block ends with this frame.
pub const END_HEADERS: u8 = 4;

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    claiming(payload.len(), kind, flags, stream, payload)
}

/// One frame that says it is so long, whatever it is.
pub fn claiming(length: usize, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// SETTINGS with these pairs.
pub fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (name, value) in pairs {
        payload.extend(name.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(kind::SETTINGS, 0, 0, &payload)
}

/// A header block of literals, none of which the other side keeps.
pub fn block(headers: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in headers {
        bytes.push(0);
        literal(&mut bytes, name.as_bytes());
        literal(&mut bytes, value);
    }
    bytes
}

fn literal(bytes: &mut Vec<u8>, text: &[u8]) {
    match u8::try_from(text.len()) {
        Ok(length) if length < 0x7f => bytes.push(length),
        _ => {
            bytes.push(0x7f);
            bytes.extend(crate::spoil::varint(text.len() - 0x7f));
        }
    }
    bytes.extend(text);
}

/// The header block of a gRPC call.
pub fn call_block(path: &str) -> Vec<u8> {
    block(&[
        (":method", b"POST"),
        (":scheme", b"http"),
        (":path", path.as_bytes()),
        (":authority", b"fuzz"),
        ("content-type", b"application/grpc"),
        ("te", b"trailers"),
    ])
}

#[cfg(test)]
mod tests {
    use super::{block, frame, kind, settings};

    #[test]
    fn frames_have_the_form_of_the_standard() {
        assert_eq!(frame(kind::PING, 1, 0, &[1; 8]), [&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], &[1; 8]].concat());
        assert_eq!(settings(&[(4, 65_535)]), [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0xff, 0xff]);
        assert_eq!(block(&[("a", b"bc")]), [0, 1, b'a', 2, b'b', b'c']);
    }
}
