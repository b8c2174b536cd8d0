use nl_core::attr::Attrs;
use nl_core::error::{ExtAck, decode_done, decode_error};
use nl_core::message::{GenlHeader, IfInfoMsg, MessageRef, Messages, NdMsg, RawMessage, TcMsg};
use proptest::prelude::*;

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

/// Attributes that are well formed and hold anything, with small types so that decoders know them.
fn attributes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec((0..32_u16, any::<bool>(), bytes(24)), 0..12).prop_map(|list| {
        let mut buf = nl_core::attr::AttrBuf::new();
        for (kind, nested, value) in list {
            match nested {
                true => drop(buf.writer().nested(kind).bytes(kind % 8, &value).u32(kind % 5 + 1, 7)),
                false => drop(buf.writer().bytes(kind, &value)),
            }
        }
        buf.finish().unwrap()
    })
}

fn datagram(messages: &[(u16, u16, u32, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, flags, seq, payload) in messages {
        let len = u32::try_from(16 + payload.len()).unwrap();
        out.extend(len.to_ne_bytes());
        out.extend([kind.to_ne_bytes(), flags.to_ne_bytes()].concat());
        out.extend([seq.to_ne_bytes(), 0_u32.to_ne_bytes()].concat());
        out.extend(payload);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

proptest! {
    #[test]
    fn messages_read_back_as_they_were_packed(
        list in prop::collection::vec((any::<u16>(), any::<u16>(), any::<u32>(), bytes(50)), 0..10),
    ) {
        let packed = datagram(&list);
        let read: Vec<_> = Messages::new(&packed)
            .map(|m| m.map(|m| (m.kind(), m.flags(), m.seq(), m.payload().to_vec())))
            .collect::<Result<_, _>>()
            .unwrap();
        prop_assert_eq!(read, list);
    }

    #[test]
    fn arbitrary_datagrams_are_read_to_an_end_without_a_panic(bytes in bytes(400)) {
        let mut errors = 0;
        let mut read = 0;
        for message in Messages::new(&bytes) {
            read += 1;
            match message {
                Ok(message) => {
                    let _ = (message.header::<IfInfoMsg>(), message.header::<NdMsg>(), message.header::<GenlHeader>(), message.header::<TcMsg>());
                    prop_assert!(message.payload().len() <= bytes.len());
                }
                Err(_) => errors += 1,
            }
        }
        prop_assert!(errors <= 1 && read <= bytes.len() / 16 + 1);
        let _ = MessageRef::parse(&bytes);
    }

    #[test]
    fn arbitrary_extended_acknowledgements_are_read_without_a_panic(raw in bytes(200), attrs in attributes()) {
        let _ = ExtAck::decode(Attrs::new(&raw));
        if let Ok(ack) = ExtAck::decode(Attrs::new(&attrs)) {
            let _ = ack.policy.map(|policy| policy.to_string());
        }
    }

    #[test]
    fn whatever_an_error_message_holds_its_code_decides(code: i32, flags: u16, rest in bytes(120)) {
        let payload = [&code.to_ne_bytes()[..], &rest].concat();
        for verdict in [decode_error(flags, &payload), decode_done(flags, &payload)] {
            prop_assert_eq!(verdict.is_err(), code < 0);
            if let Err(error) = verdict {
                prop_assert_eq!(error.errno().unwrap().get(), code.saturating_neg());
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }

    #[test]
    fn an_error_message_of_any_length_is_read_without_a_panic(flags: u16, payload in bytes(40)) {
        let short = payload.len() < 4;
        let refused = decode_error(flags, &payload);
        prop_assert!(!short || refused.is_err());
        let done = decode_done(flags, &payload);
        prop_assert!(!short || done.is_ok());
    }
}

#[cfg(feature = "tokio")]
proptest! {
    #[test]
    fn arbitrary_links_are_read_without_a_panic(raw in bytes(200), attrs in attributes(), index: u32) {
        let mut payload = vec![0; 4];
        payload.extend(index.to_ne_bytes());
        payload.extend([0; 8]);
        payload.extend(&attrs);
        for payload in [&payload, &raw] {
            if let Ok(link) = nl_core::link::Link::decode(MessageRef::from_parts(16, 0, payload)) {
                prop_assert!(!link.name.contains('\0'));
            }
        }
    }

    #[test]
    fn arbitrary_families_are_read_without_a_panic(raw in bytes(200), attrs in attributes()) {
        let typed = [&[1, 2, 0, 0][..], &attrs].concat();
        for payload in [&typed, &raw] {
            if let Ok(family) = nl_core::genl::Family::decode(MessageRef::from_parts(16, 0, payload)) {
                prop_assert_ne!(family.id, 0);
            }
        }
    }
}

#[cfg(feature = "tokio")]
#[test]
fn a_message_of_another_type_is_no_link() {
    use nl_core::attr::DecodeError;
    let message = MessageRef::from_parts(18, 0, &[0; 32]);
    assert_eq!(nl_core::link::Link::decode(message), Err(DecodeError::Kind(18)));
}

#[test]
fn a_message_shorter_than_its_header_is_an_error() {
    for len in 1..16 {
        assert!(MessageRef::parse(&[0xff; 16][..len]).is_err(), "{len} bytes were taken");
    }
    assert!(MessageRef::parse(&[]).is_err());
}

#[test]
fn a_length_field_under_16_or_over_the_datagram_ends_the_datagram() {
    for len in [0_u32, 15, 21, u32::MAX] {
        let mut bytes = datagram(&[(16, 0, 1, vec![1; 4])]);
        bytes[..4].copy_from_slice(&len.to_ne_bytes());
        let read: Vec<_> = Messages::new(&bytes).collect();
        assert!(matches!(read.as_slice(), [Err(_)]), "length {len} gave {read:?}");
    }
}

#[test]
fn the_last_message_may_come_without_padding() {
    let mut bytes = datagram(&[(16, 0, 1, vec![1; 5])]);
    bytes.truncate(21);
    assert_eq!(MessageRef::parse(&bytes).unwrap().payload(), [1; 5]);
}

#[test]
fn a_raw_message_keeps_type_flags_and_payload() {
    let bytes = datagram(&[(999, 0x302, 1, vec![1, 2, 3])]);
    let raw = RawMessage::from(MessageRef::parse(&bytes).unwrap());
    assert_eq!(raw, RawMessage::new(999, 0x302, vec![1, 2, 3]));
    assert_eq!(raw.as_ref().payload(), [1, 2, 3]);
}
