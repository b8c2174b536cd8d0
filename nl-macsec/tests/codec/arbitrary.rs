//! Arbitrary associations survive the wire; arbitrary bytes never panic.

use nl_core::attr::{AttrBuf, Attrs};
use nl_core::message::{GenlHeader, MessageRef};
use nl_macsec::device::MacsecDevice;
use nl_macsec::rx_sa::RxSa;
use nl_macsec::secy::Secy;
use nl_macsec::tx_sa::TxSa;
use nl_macsec::{CipherSuite, SaConfig, Salt, Sci, SecretKey, Verb};
use proptest::option;
use proptest::prelude::*;

use crate::FAMILY;

#[derive(Clone, Debug)]
struct Any {
    an: u8,
    active: Option<bool>,
    next_pn: Option<u64>,
    key: Option<Vec<u8>>,
    key_id: Option<[u8; 16]>,
    ssci: Option<u32>,
    salt: Option<[u8; 12]>,
}

impl Any {
    fn config(&self) -> SaConfig {
        let mut sa = SaConfig::new(self.an);
        (sa.active, sa.next_pn) = (self.active, self.next_pn);
        sa.key = self.key.as_ref().map(|key| SecretKey::new(key).unwrap());
        sa.key_id = self.key_id.map(Into::into);
        sa.ssci = self.ssci.map(Into::into);
        sa.salt = self.salt.as_ref().map(Salt::new);
        sa
    }
}

fn any_sa() -> impl Strategy<Value = Any> {
    let key = prop_oneof![any::<[u8; 16]>().prop_map(Vec::from), any::<[u8; 32]>().prop_map(Vec::from)];
    let number = prop_oneof![any::<u64>(), any::<u32>().prop_map(u64::from), 0..3_u64];
    (
        0..6_u8,
        any::<Option<bool>>(),
        option::weighted(0.9, number),
        option::weighted(0.9, key),
        option::weighted(0.9, any::<[u8; 16]>()),
        any::<Option<u32>>(),
        any::<Option<[u8; 12]>>(),
    )
        .prop_map(|(an, active, next_pn, key, key_id, ssci, salt)| Any {
            an,
            active,
            next_pn,
            key,
            key_id,
            ssci,
            salt,
        })
}

fn any_suite() -> impl Strategy<Value = CipherSuite> {
    proptest::sample::select(CipherSuite::ALL.to_vec())
}

/// What is in the attributes of an association, by hand.
fn read(attrs: Attrs<'_>, suite: CipherSuite) -> Any {
    let mut any = Any { an: 0, active: None, next_pn: None, key: None, key_id: None, ssci: None, salt: None };
    for attr in attrs {
        let attr = attr.unwrap();
        match attr.kind() {
            1 => any.an = attr.u8().unwrap(),
            2 => any.active = Some(attr.u8().unwrap() == 1),
            3 if suite.is_xpn() => any.next_pn = Some(attr.u64().unwrap()),
            3 => any.next_pn = Some(attr.u32().unwrap().into()),
            4 => any.key = Some(attr.value().to_vec()),
            5 => any.key_id = Some(attr.array().unwrap()),
            8 => any.ssci = Some(attr.be32().unwrap()),
            9 => any.salt = Some(attr.array().unwrap()),
            other => panic!("attribute {other}"),
        }
    }
    any
}

proptest! {
    /// What is not refused says exactly what was given, and what is refused is bad.
    #[test]
    fn accepted_association_says_what_was_given(given in any_sa(), suite in any_suite(), sci: [u8; 8]) {
        let tx = TxSa::new(5, given.config()).request(FAMILY, suite, Verb::Add);
        let rx = RxSa::new(5, Sci::from_bytes(sci), given.config()).request(FAMILY, suite, Verb::Add);
        let fits = given.an < 4
            && given.key.as_ref().map(Vec::len) == suite.key_len()
            && given.key_id.is_some()
            && given.next_pn.is_none_or(|pn| pn != 0 && pn <= suite.max_packet_number())
            && (given.ssci.is_some(), given.salt.is_some()) == (suite.is_xpn(), suite.is_xpn());
        for (mut request, accepted) in [(tx, fits && given.next_pn.is_some()), (rx, fits)] {
            prop_assert_eq!(request.is_sensitive(), given.key.is_some() || given.salt.is_some());
            match request.encoded() {
                Ok(bytes) => {
                    prop_assert!(accepted, "{given:?}");
                    let message = MessageRef::parse(bytes).unwrap();
                    let (_, attrs) = message.header::<GenlHeader>().unwrap();
                    let read = read(attrs.find(3).unwrap().unwrap().attrs(), suite);
                    prop_assert_eq!(format!("{read:?}"), format!("{given:?}"));
                }
                Err(error) => prop_assert!(!accepted && error.is_usage(), "{error}"),
            }
        }
    }

    #[test]
    fn device_survives_a_round_trip(
        sci in option::of(any::<[u8; 8]>()),
        suite in any_suite(),
        flags: [Option<bool>; 5],
        window in option::of(any::<u32>()),
        an in 0..8_u8,
    ) {
        use nl_core::link::LinkKind;
        let mut device = MacsecDevice::new().cipher(suite).encoding_sa(an);
        device.sci = sci.map(Sci::from_bytes);
        [device.encrypt, device.protect, device.include_sci, device.end_station, device.scb] = flags;
        (device.replay_protect, device.window) = (window.map(|_| true), window);
        let mut buf = AttrBuf::new();
        device.encode(&mut buf.writer(), nl_core::link::LinkVerb::Add);
        let bytes = buf.finish().unwrap();
        prop_assert_eq!(MacsecDevice::decode(Attrs::new(&bytes)).unwrap(), device);
    }

    #[test]
    fn arbitrary_bytes_never_panic(data: Vec<u8>) {
        check(&data);
    }

    #[test]
    fn arbitrary_attributes_never_panic(
        attrs in proptest::collection::vec((0..12u16, proptest::collection::vec((0..16u16, any::<[u8; 8]>(), 0..9_usize), 0..8)), 0..12),
    ) {
        let mut buf = AttrBuf::new();
        for (kind, inner) in attrs {
            let mut w = buf.writer();
            let mut nest = w.nested(kind);
            for (kind, value, len) in inner {
                nest.bytes(kind, &value[..len.min(8)]);
            }
        }
        let mut payload = vec![0, 1, 0, 0];
        payload.extend(buf.finish().unwrap());
        check(&payload);
    }
}

fn check(payload: &[u8]) {
    if let Ok(secy) = Secy::decode(MessageRef::from_parts(FAMILY, 0, payload)) {
        assert!(secy.to_string().starts_with('#'));
    }
    use nl_core::link::LinkKind;
    if let Ok(device) = MacsecDevice::decode(Attrs::new(payload)) {
        assert!(device.to_string().starts_with("macsec"));
    }
}
