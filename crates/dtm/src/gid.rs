//! The id of a global transaction. Its length is fixed: the coordinator's embedded store mixes up transactions of
//! which one gid is a prefix of another.

use std::fmt;
use std::str::FromStr;

use uuid::{Uuid, Variant};

const LENGTH: usize = 36;
const VERSION: usize = 7;

/// Gid: a UUIDv7 in its lower-case form of 36 characters. Sorts by time of making.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Gid([u8; LENGTH]);

/// The text is not a gid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a gid is a UUIDv7 in its lower-case form of 36 characters")]
pub struct GidError;

impl Gid {
    /// A new gid from the clock and the system's randomness.
    pub fn generate() -> Gid {
        Gid::of(Uuid::now_v7())
    }

    /// Reads a gid; only the one exact form is accepted.
    pub fn parse(text: &str) -> Result<Gid, GidError> {
        let uuid = Uuid::try_parse(text).map_err(|_| GidError)?;
        let gid = Gid::of(uuid);
        let is_v7 = uuid.get_version_num() == VERSION && uuid.get_variant() == Variant::RFC4122;
        if is_v7 && gid.as_str() == text { Ok(gid) } else { Err(GidError) }
    }

    /// The 36 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("made by the UUID encoder, which writes ASCII only")
    }

    fn of(uuid: Uuid) -> Gid {
        let mut text = [0; LENGTH];
        uuid.hyphenated().encode_lower(&mut text);
        Gid(text)
    }
}

impl fmt::Display for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AsRef<str> for Gid {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for Gid {
    type Err = GidError;
    fn from_str(text: &str) -> Result<Gid, GidError> {
        Gid::parse(text)
    }
}

impl TryFrom<String> for Gid {
    type Error = GidError;
    fn try_from(text: String) -> Result<Gid, GidError> {
        Gid::parse(&text)
    }
}

impl From<Gid> for String {
    fn from(gid: Gid) -> String {
        gid.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{Gid, GidError};

    #[test]
    fn a_new_gid_reads_back_and_sorts_after_an_older_one() {
        let (older, newer) = (Gid::generate(), Gid::generate());
        assert!(older < newer);
        assert_eq!(Gid::parse(older.as_str()).unwrap(), older);
        assert_eq!(older.as_str().len(), 36);
    }

    #[test]
    fn only_the_one_exact_form_is_a_gid() {
        const GOOD: &str = "0192d3c4-5b6a-7f01-8abc-0123456789ab";
        assert_eq!(Gid::parse(GOOD).unwrap().to_string(), GOOD);
        let upper = GOOD.to_uppercase();
        let longer = format!("{GOOD}1");
        let bad = [
            "",
            &GOOD[..35],
            &longer,
            &upper,
            "0192d3c45b6a7f018abc0123456789ab",
            "{0192d3c4-5b6a-7f01-8abc-0123456789ab}",
            "urn:uuid:0192d3c4-5b6a-7f01-8abc-0123456789ab",
            "0192d3c4-5b6a-4f01-8abc-0123456789ab", // version 4
            "0192d3c4-5b6a-7f01-cabc-0123456789ab", // another variant
        ];
        for text in bad {
            assert_eq!(Gid::parse(text), Err(GidError), "{text}");
        }
    }
}
