//! Whatever bytes come, nothing panics and nothing is lost.

use proptest::collection::vec;
use proptest::prelude::*;

use super::check::check;
#[cfg(target_endian = "little")]
use super::golden;
#[cfg(target_endian = "little")]
use crate::unhex;

proptest! {
    #[test]
    fn arbitrary_socket_bytes_never_panic(bytes in vec(any::<u8>(), 0..400)) {
        check(&bytes);
    }

    /// Near to what a kernel sends, where more is read.
    #[cfg(target_endian = "little")]
    #[test]
    fn mutated_message_never_panics(
        which in 0..2_usize, changes in vec((0..512_usize, any::<u8>()), 0..8), len in 0..600_usize,
    ) {
        let mut bytes = unhex([golden::CLIENT, golden::SECOND][which]);
        for (at, byte) in changes {
            if let Some(old) = bytes.get_mut(at) {
                *old = byte;
            }
        }
        bytes.truncate(len);
        check(&bytes);
        check(bytes.get(16..).unwrap_or_default());
    }

    #[test]
    fn arbitrary_counter_text_never_panics(names in vec("[A-Za-z]{1,9}", 0..9), values in vec("[0-9]{1,3}|-1|x", 0..9)) {
        check(format!("TcpExt: A\nTcpExt: 1\nMPTcpExt: {}\nMPTcpExt: {}\n", names.join(" "), values.join(" ")).as_bytes());
    }
}
