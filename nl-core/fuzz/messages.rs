// How the fuzz targets and the tests that replay the corpora read any bytes.

use nl_core::message::{MessageRef, Messages};

/// Reads the bytes as a datagram, and as the payload of one message of each of these types.
pub(crate) fn each_message(data: &[u8], kinds: &[u16], mut check: impl FnMut(MessageRef<'_>)) {
    for message in Messages::new(data).map_while(Result::ok) {
        check(message);
    }
    for kind in kinds {
        check(MessageRef::from_parts(*kind, 0, data));
    }
}
