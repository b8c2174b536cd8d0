//! Bytes that a kernel accepted or sent.

use nl_core::attr::Attrs;
use nl_core::link::{LinkConfig, LinkKind, LinkVerb, RTM_DELLINK, RTM_NEWLINK};
use nl_core::message::MessageRef;
use nl_macsec::device::{MacsecDevice, MacsecEvent};
use nl_macsec::rx_sc::RxSc;
use nl_macsec::secy::Secy;
use nl_macsec::tx_sa::TxSa;
use nl_macsec::{CipherSuite, KeyId, Offload, SaConfig, SecretKey, Validation, Verb};
use nl_testkit::oracle::unhex;

use crate::FAMILY;

#[track_caller]
fn contains(bytes: &[u8], part: &str) {
    let part = unhex(part);
    assert!(bytes.windows(part.len()).any(|window| window == part), "{part:02x?} is not in {bytes:02x?}");
}

/// `ip link add … type macsec port 42 encrypt on replay on window 64 cipher gcm-aes-256`, accepted by Linux 7.2.
#[test]
fn device_options_equal_golden_bytes() {
    let options = MacsecDevice::new().port(42).cipher(CipherSuite::GcmAes256).encrypt(true).replay(64);
    let mut config = LinkConfig::new("m0").kind(options);
    config.link = Some(5.into());
    let mut request = config.request(LinkVerb::Add);
    let bytes = request.encoded().unwrap();
    // kind
    contains(bytes, "0b000100 6d616373 65630000");
    for option in [
        "06000200 002a0000",
        "05000700 01000000",
        "05000c00 01000000",
        "08000500 40000000",
        "0c000400 02000001 00c28000",
    ] {
        contains(bytes, option);
    }
}

/// `ip macsec add DEV tx sa 0 pn 1024 on key 01 …`, accepted by Linux 7.2; the attributes in an order of our own.
#[test]
fn association_that_sends_has_golden_attributes() {
    let key = SecretKey::from_hex("12345678901234567890123456789012").unwrap();
    let id: KeyId = "01".parse().unwrap();
    let sa = SaConfig::new(0).next_pn(1024).key(&key).key_id(id).active(true);
    let mut request = TxSa::new(10, sa).request(FAMILY, CipherSuite::GcmAes128, Verb::Add);
    let bytes = request.encoded().unwrap();
    assert_eq!(bytes.len(), 16 + 80);
    contains(bytes, "04010000 08000100 0a000000 44000300 05000100 00000000 08000300 00040000");
    for attribute in [
        "14000500 01000000 00000000 00000000 00000000",
        "14000400 12345678 90123456 78901234 56789012",
        "05000200 01000000",
    ] {
        contains(bytes, attribute);
    }
}

#[test]
fn channel_equals_golden_bytes() {
    let channel = RxSc::new(10, "1ceddeadbeef04d2".parse().unwrap()).active(true);
    let mut request = channel.request(FAMILY, Verb::Add);
    let expected = unhex("01010000 08000100 0a000000 18000200 0c000100 1ceddead beef04d2 05000200 01000000");
    assert_eq!(request.encoded().unwrap()[16..], expected);
}

/// Written by hand in the order in which a kernel sends the nest of a device, with the identifier of the draft for GCM-AES-128.
pub(crate) const SECY: &str = concat!(
    "00010000 08000100 0a000000 0c000900 05000100 00000000",
    "74000400 0c000100 02000000 00010001 0c000400 01000001 00028000 05000500 10000000 05000800 01000000",
    "05000600 01000000 05000700 01000000 05000900 02000000 05000a00 01000000 05000b00 01000000 05000c00 00000000",
    "05000d00 00000000 05000200 03000000 08000300 40000000",
);

/// Options of a device with extended packet numbers, in the order in which a kernel sends them.
pub(crate) const DEVICE: &str = concat!(
    "0c000100 02000000 00010001 05000300 10000000 0c000400 04000001 00c28000 05000600 01000000 05000700 01000000",
    "05000800 01000000 05000900 01000000 05000a00 00000000 05000b00 00000000 05000c00 01000000 05000d00 02000000",
    "05000f00 00000000 08000500 40000000",
);

#[test]
fn device_decodes_what_a_kernel_sends() {
    let bytes = unhex(DEVICE);
    let device = MacsecDevice::decode(Attrs::new(&bytes)).unwrap();
    assert_eq!(
        device.to_string(),
        "macsec sci 0200000000010001 cipher GCM-AES-XPN-256 icvlen 16 encodingsa 1 validate strict encrypt on protect on \
         send_sci on end_station off scb off replay on window 64 offload off"
    );
}

/// The same options in an event about the device 7 on device 2, and the same of a device of another kind.
#[test]
fn event_is_decoded_for_macsec_devices_only() {
    let event = |message_kind: u16, kind: &str| {
        let mut buf = nl_core::attr::AttrBuf::new();
        {
            let mut w = buf.writer();
            w.str(3, "macsec0").u32(5, 2);
            let mut info = w.nested(18);
            info.str(1, kind).bytes(2, &unhex(DEVICE));
        }
        // struct ifinfomsg: AF_UNSPEC, ARPHRD_ETHER, index 7
        let header = [0, 0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let payload = [&header[..], &buf.finish().unwrap()].concat();
        MacsecEvent::decode(MessageRef::from_parts(message_kind, 0, &payload)).unwrap()
    };
    let options = "macsec sci 0200000000010001 cipher GCM-AES-XPN-256";
    let text = event(RTM_NEWLINK, "macsec").unwrap().to_string();
    assert!(text.starts_with(&format!("7: macsec0@#2 {options}")), "{text}");
    let deleted = event(RTM_DELLINK, "macsec").unwrap();
    assert!(deleted.to_string().starts_with(&format!("Deleted 7: macsec0@#2 {options}")), "{deleted}");
    assert_eq!(deleted.device().options.window, Some(64));
    assert_eq!(event(RTM_NEWLINK, "macvlan"), None);
}

#[test]
fn secy_decodes_what_a_kernel_sends() {
    let payload = unhex(SECY);
    let secy = Secy::decode(MessageRef::from_parts(FAMILY, 0, &payload)).unwrap();
    assert_eq!(
        (secy.index, secy.offload, secy.sci.to_string()),
        (10, Offload::Off, "0200000000010001".into())
    );
    assert_eq!((secy.cipher, secy.icv_len, secy.encoding_sa.get()), (CipherSuite::GcmAes128, 16, 3));
    assert_eq!((secy.validation, secy.window), (Validation::Strict, Some(64)));
    assert!(secy.operational && secy.protect && secy.encrypt && secy.include_sci && secy.replay_protect);
    assert!(!secy.end_station && !secy.scb && secy.tx_sas.is_empty() && secy.rx_scs.is_empty());
}
