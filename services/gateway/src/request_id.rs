//! The id under which the processor knows a request. It follows from the payment, whose id is part of the plan, so a
//! gateway that forgot a request (its store was restored from a backup) repeats it under the same id and is given the
//! first answer: nobody is charged a second time. Knows no store.

use uuid::Uuid;

use crate::state::PspOp;

/// Where the op stands among the random bits of the payment's id, above the number.
const OP_AT: u32 = 32;

/// The id of the request for `op` after `earlier` ones for the same op of this payment; `None` = the payment's id is no
/// UUID.
pub fn request_id(payment_id: &str, op: PspOp, earlier: u32) -> Option<String> {
    // A payment is begun once, under its own id.
    let op: u128 = match op {
        PspOp::Authorize | PspOp::Sale => return Some(payment_id.to_owned()),
        PspOp::Capture => 1,
        PspOp::Void => 2,
        PspOp::Refund => 3,
    };
    let payment = Uuid::parse_str(payment_id).ok()?;
    Some(Uuid::from_u128(payment.as_u128() ^ (op << OP_AT | u128::from(earlier))).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_request_has_its_own_id_and_the_same_one_each_time() {
        let payment = Uuid::now_v7().to_string();
        let all = || {
            let ops = [PspOp::Sale, PspOp::Capture, PspOp::Void, PspOp::Refund];
            let ids = ops.into_iter().flat_map(|op| (0..3).map(move |earlier| (op, earlier)));
            ids.map(|(op, earlier)| request_id(&payment, op, earlier).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(all(), all());
        assert_eq!(all().into_iter().collect::<BTreeSet<_>>().len(), 1 + 3 * 3);
        for id in all() {
            let id = Uuid::parse_str(&id).unwrap();
            assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
        }
        assert_eq!(request_id("x", PspOp::Void, 0), None);
    }
}
