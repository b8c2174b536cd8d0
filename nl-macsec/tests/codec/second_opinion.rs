//! netlink-packet-route reads the options of devices that we write as they were meant, and we read those that it writes.
//!
//! It keeps the SCI as a number in the order of the machine; the bytes are compared.

use netlink_packet_core::{DefaultNla, Emitable, Nla, NlasIterator, Parseable};
use netlink_packet_route::link::{InfoMacSec, MacSecCipherId, MacSecOffload, MacSecValidate};
use nl_core::attr::{AttrBuf, Attrs};
use nl_core::link::{LinkKind, LinkVerb};
use nl_macsec::device::MacsecDevice;
use nl_macsec::{CipherSuite, Offload, Sci, Validation};
use proptest::prelude::*;

fn any_device() -> impl Strategy<Value = MacsecDevice> {
    let suite = proptest::sample::select(CipherSuite::ALL.to_vec());
    let numbers = (any::<Option<[u8; 8]>>(), any::<Option<u16>>(), any::<Option<u8>>(), any::<Option<u32>>());
    let modes = (proptest::option::of(suite), proptest::option::of(0..5_u8), proptest::option::of(0..5_u8));
    (numbers, modes, any::<Option<u8>>(), any::<[Option<bool>; 6]>()).prop_map(
        |((sci, port, icv_len, window), (cipher, validation, offload), an, flags)| {
            let mut device = MacsecDevice::new();
            device.sci = sci.map(Sci::from_bytes);
            device.port = port.map(Into::into);
            (device.icv_len, device.window, device.cipher) = (icv_len, window, cipher);
            device.validation = validation.map(Validation::from);
            device.offload = offload.map(Offload::from);
            device.encoding_sa = an.map(Into::into);
            [
                device.encrypt,
                device.protect,
                device.include_sci,
                device.end_station,
                device.scb,
                device.replay_protect,
            ] = flags;
            device
        },
    )
}

fn theirs(bytes: &[u8]) -> Vec<InfoMacSec> {
    NlasIterator::new(bytes).map(|nla| InfoMacSec::parse(&nla.unwrap()).unwrap()).collect()
}

/// What they call it, in their words.
fn in_their_words(device: &MacsecDevice) -> Vec<InfoMacSec> {
    let cipher = |suite: CipherSuite| MacSecCipherId::from(suite.id());
    let flag = |flag: bool| u8::from(flag);
    [
        device.sci.map(|sci| InfoMacSec::Sci(u64::from_ne_bytes(sci.bytes()))),
        device.port.map(|port| InfoMacSec::Port(port.0)),
        device.icv_len.map(InfoMacSec::IcvLen),
        device.cipher.map(|suite| InfoMacSec::CipherSuite(cipher(suite))),
        device.window.map(InfoMacSec::Window),
        device.encoding_sa.map(|an| InfoMacSec::EncodingSa(an.get())),
        device.encrypt.map(flag).map(InfoMacSec::Encrypt),
        device.protect.map(flag).map(InfoMacSec::Protect),
        device.include_sci.map(flag).map(InfoMacSec::IncSci),
        device.end_station.map(flag).map(InfoMacSec::Es),
        device.scb.map(flag).map(InfoMacSec::Scb),
        device.replay_protect.map(flag).map(InfoMacSec::ReplayProtect),
        device.validation.map(|mode| InfoMacSec::Validation(MacSecValidate::from(u8::from(mode)))),
        device.offload.map(|mode| InfoMacSec::Offload(MacSecOffload::from(u8::from(mode)))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

proptest! {
    #[test]
    fn packet_route_decodes_device_options_equally(device in any_device()) {
        let mut buf = AttrBuf::new();
        device.encode(&mut buf.writer(), LinkVerb::Add);
        let bytes = buf.finish().unwrap();
        let mut read = theirs(&bytes);
        // In the order of their numbers.
        read.sort_by_key(Nla::kind);
        prop_assert_eq!(read, in_their_words(&device));
    }

    #[test]
    fn device_options_of_packet_route_decode_equally(device in any_device()) {
        let options = in_their_words(&device);
        let mut bytes = vec![0; options.as_slice().buffer_len()];
        options.as_slice().emit(&mut bytes);
        prop_assert_eq!(MacsecDevice::decode(Attrs::new(&bytes)).unwrap(), device);
    }
}

/// An attribute that neither knows does not disturb.
#[test]
fn unknown_option_is_skipped() {
    let option = InfoMacSec::Other(DefaultNla::new(99, vec![1, 2, 3]));
    let options = [option, InfoMacSec::Encrypt(1)];
    let mut bytes = vec![0; options.as_slice().buffer_len()];
    options.as_slice().emit(&mut bytes);
    assert_eq!(MacsecDevice::decode(Attrs::new(&bytes)).unwrap(), MacsecDevice::new().encrypt(true));
}
