//! Answers a call for what another replica has: by that replica.

use tonic::Status;
use tonic::metadata::MetadataValue;

/// Response metadata of a handler that cannot answer: the replica that can.
const OWNER: &str = "amends-owner";

/// Marks the answer of a handler: that replica is to be asked instead.
pub fn ask(status: &mut Status, owner: &str) {
    if let Ok(owner) = MetadataValue::try_from(owner) {
        status.metadata_mut().insert(OWNER, owner);
    }
}
