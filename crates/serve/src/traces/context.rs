//! Where in a trace something happens, and how callers tell it each other: the header `traceparent` of W3C Trace Context.
//! Knows no span.

use std::fmt;

use http::HeaderMap;

/// Name of the header, also in gRPC metadata.
pub const HEADER: &str = "traceparent";
/// Flag: whoever is asked shall record what it does.
const SAMPLED: u8 = 1;
/// Characters of version 00; later versions may only add behind them.
const LENGTH: usize = 55;

/// A span of a trace, as others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    flags: u8,
}

/// What goes into the header.
impl fmt::Display for SpanContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-", self.trace_id_hex())?;
        self.span_id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{:02x}", self.flags)
    }
}

impl SpanContext {
    /// A span of that trace; `None` where an id is all zero, which means none.
    #[must_use]
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8], sampled: bool) -> Option<Self> {
        let flags = if sampled { SAMPLED } else { 0 };
        (trace_id != [0; 16] && span_id != [0; 8]).then_some(Self { trace_id, span_id, flags })
    }

    /// Reads a header's value. What is not one is nobody's error: it counts as none (W3C Trace Context, 4.3).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let version: [u8; 1] = hex(parts.next()?)?;
        let (trace_id, span_id) = (hex(parts.next()?)?, hex(parts.next()?)?);
        let [flags] = hex(parts.next()?)?;
        let whole = text.len() == LENGTH || (version != [0] && text.len() > LENGTH);
        if version == [0xff] || !whole {
            return None;
        }
        Self::new(trace_id, span_id, flags & SAMPLED != 0)
    }

    /// The caller's place in a trace; a header that is there twice says nothing.
    #[must_use]
    pub fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(HEADER).iter();
        let value = values.next()?;
        if values.next().is_some() {
            return None;
        }
        Self::parse(value.to_str().ok()?)
    }

    /// The trace.
    #[must_use]
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// The trace, as people and tools write it: 32 hex digits.
    #[must_use]
    pub fn trace_id_hex(&self) -> String {
        self.trace_id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The span.
    #[must_use]
    pub fn span_id(&self) -> [u8; 8] {
        self.span_id
    }

    /// Whether it is recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Another span of the same trace, recorded if this one is; `None` where the id is all zero.
    #[must_use]
    pub fn with_span(self, span_id: [u8; 8]) -> Option<Self> {
        Self::new(self.trace_id, span_id, self.is_sampled())
    }
}

/// Exactly so many bytes in lower-case hex.
fn hex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let digits = text.as_bytes();
    if digits.len() != 2 * BYTES {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_header_is_read_and_written_alike() {
        let context = SpanContext::parse(GOOD).unwrap();
        assert_eq!(context.to_string(), GOOD);
        assert_eq!(context.trace_id_hex(), "0af7651916cd43dd8448eb211c80319c");
        assert!(context.is_sampled());
        let unsampled = SpanContext::parse(&GOOD.replace("-01", "-00")).unwrap();
        assert!(!unsampled.is_sampled());
        let child = context.with_span([1; 8]).unwrap();
        assert_eq!(child.to_string(), GOOD.replace("b7ad6b7169203331", "0101010101010101"));
    }

    #[test]
    fn later_versions_may_say_more() {
        let later = GOOD.replacen("00", "cc", 1);
        for text in [later.clone(), format!("{later}-what-ever")] {
            assert_eq!(SpanContext::parse(&text).unwrap().to_string(), GOOD, "{text}");
        }
    }

    #[test]
    fn what_is_no_header_counts_as_none() {
        for text in [
            "",
            "-",
            "00",
            &GOOD[..54],
            &format!("{GOOD}-"),
            &format!("{GOOD}-00"),
            &GOOD.to_uppercase(),
            &GOOD.replacen("00", "ff", 1),
            &GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &GOOD.replace("b7ad6b7169203331", &"0".repeat(16)),
            &GOOD.replace('f', "g"),
            &GOOD.replace("-01", "-1 "),
            &GOOD.replacen("00", "cc", 1).replace("-01", "-01x"),
            &GOOD.replace('7', "é"),
        ] {
            assert_eq!(SpanContext::parse(text), None, "{text}");
        }
    }

    #[test]
    fn two_headers_say_nothing() {
        let mut headers = HeaderMap::new();
        headers.append(HEADER, GOOD.parse().unwrap());
        assert!(SpanContext::of_headers(&headers).is_some());
        headers.append(HEADER, GOOD.parse().unwrap());
        assert_eq!(SpanContext::of_headers(&headers), None);
    }
}
