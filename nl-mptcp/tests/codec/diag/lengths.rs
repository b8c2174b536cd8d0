//! Structures that grew from kernel to kernel.

use nl_core::attr::DecodeError;
use nl_mptcp::diag::{MptcpInfo, TcpInfo};

/// Bytes that differ from each other and are never zero.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251 + 1).unwrap()).collect()
}

#[test]
fn fields_of_newer_kernels_decode_as_none() {
    // Linux 6.1, 6.5, 6.8, 6.10, and one that is yet to come.
    let reported = |len: usize| {
        let info = MptcpInfo::decode(&pattern(len)).unwrap();
        let groups = [
            info.bytes_acked.is_some() && info.retransmits.is_some(),
            info.subflows_total.is_some(),
            info.last_ack_recv.is_some() && info.last_data_sent.is_some(),
        ];
        assert_eq!(info.write_seq, u64::from_ne_bytes([17, 18, 19, 20, 21, 22, 23, 24]));
        groups
    };
    assert_eq!(reported(48), [false, false, false]);
    assert_eq!(reported(80), [true, false, false]);
    assert_eq!(reported(88), [true, true, false]);
    assert_eq!(reported(96), [true, true, true]);
    assert_eq!(reported(200), [true, true, true]);
    assert_eq!(MptcpInfo::decode(&pattern(200)), MptcpInfo::decode(&pattern(96)));
    // Padding in 6.1, where it had no meaning.
    assert_eq!(MptcpInfo::decode(&pattern(48)).unwrap().retransmits, None);
}

#[test]
fn too_short_structures_are_refused() {
    for len in 0..48 {
        let error = MptcpInfo::decode(&pattern(len)).unwrap_err();
        assert_eq!(error, DecodeError::Short { what: "mptcp_info", needed: 48, got: len });
    }
    for len in 0..232 {
        let error = TcpInfo::decode(&pattern(len)).unwrap_err();
        assert_eq!(error, DecodeError::Short { what: "tcp_info", needed: 232, got: len });
    }
}

#[test]
fn partial_field_decodes_as_none() {
    for len in 48..=97 {
        let info = MptcpInfo::decode(&pattern(len)).unwrap();
        let there = |end: usize| len >= end;
        assert_eq!(info.bytes_retrans.is_some(), there(56), "{len}");
        assert_eq!(info.bytes_sent.is_some(), there(64), "{len}");
        assert_eq!(info.bytes_received.is_some(), there(72), "{len}");
        assert_eq!(info.bytes_acked.is_some(), there(80), "{len}");
        assert_eq!(info.subflows_total.is_some(), there(81), "{len}");
        assert_eq!(info.last_data_sent.is_some(), there(88), "{len}");
        assert_eq!(info.last_data_recv.is_some(), there(92), "{len}");
        assert_eq!(info.last_ack_recv.is_some(), there(96), "{len}");
    }
    for len in 232..=260 {
        let info = TcpInfo::decode(&pattern(len)).unwrap();
        assert_eq!(info.rcv_wnd.is_some(), len >= 236, "{len}");
        assert_eq!(info.rehash.is_some(), len >= 240, "{len}");
        assert_eq!(info.total_rto.is_some(), len >= 242, "{len}");
        assert_eq!(info.total_rto_recoveries.is_some(), len >= 244, "{len}");
        assert_eq!(info.total_rto_time.is_some(), len >= 248, "{len}");
    }
}
