// What must hold for any bytes that are read. Shared by the fuzz target and by the test that replays the corpus.

use nl_core::attr::{AttrBuf, Attrs};
use nl_core::link::{LinkKind, LinkVerb};
use nl_core::message::{MessageRef, Messages};
use nl_macsec::device::MacsecDevice;
use nl_macsec::rx_sc::RxSc;
use nl_macsec::secy::Secy;
use nl_macsec::{An, Verb};

const FAMILY: u16 = 0x1c;

/// Reads the bytes as a datagram, as the payload of one message, and as the options of a device.
pub(crate) fn check(data: &[u8]) {
    for message in Messages::new(data).map_while(Result::ok) {
        check_message(message);
    }
    check_message(MessageRef::from_parts(FAMILY, 0, data));
    check_device(data);
}

fn check_message(message: MessageRef<'_>) {
    let Ok(secy) = Secy::decode(message) else { return };
    assert!(secy.to_string().starts_with('#'), "{secy}");
    // What is found by number and by SCI is what was looked for.
    for an in An::ALL {
        assert!(secy.tx_sa(an).is_none_or(|sa| sa.an == an), "{secy}");
    }
    assert_eq!(secy.encoding(), secy.tx_sa(secy.encoding_sa), "{secy}");
    for channel in &secy.rx_scs {
        assert_eq!(secy.rx_sc(channel.sci).map(|found| found.sci), Some(channel.sci), "{secy}");
        for verb in [Verb::Add, Verb::Delete, Verb::Update] {
            let mut request = RxSc::new(secy.index, channel.sci).active(channel.active).request(FAMILY, verb);
            match request.encoded() {
                Ok(bytes) => assert!(bytes.len() > 20, "{channel}"),
                // A refusal is put into words like any other error.
                Err(error) => assert!(error.is_usage(), "{error}"),
            }
        }
    }
}

/// What is sent of the options of a device reads back as what they were.
fn check_device(data: &[u8]) {
    let Ok(device) = MacsecDevice::decode(Attrs::new(data)) else { return };
    assert!(device.to_string().starts_with("macsec"));
    let mut buf = AttrBuf::new();
    device.encode(&mut buf.writer(), LinkVerb::Add);
    let bytes = buf.finish().unwrap();
    assert_eq!(MacsecDevice::decode(Attrs::new(&bytes)).as_ref(), Ok(&device));
    if let Err(why) = device.check(LinkVerb::Add) {
        assert!(!why.to_string().is_empty());
    }
}
