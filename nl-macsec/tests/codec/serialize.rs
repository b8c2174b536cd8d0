//! `Serialize`: what is read can be printed as JSON, and keys are not among it.

use nl_core::message::MessageRef;
use nl_macsec::CipherSuite;
use nl_macsec::device::MacsecDevice;
use nl_macsec::secy::Secy;
use nl_testkit::oracle::unhex;
use serde_json::json;

use crate::FAMILY;

#[test]
#[cfg_attr(target_endian = "big", ignore = "the bytes are of a little-endian machine")]
fn decoded_types_serialize_to_json() {
    let payload = unhex("00010000 08000100 0a000000 10000400 0c000100 1ceddead beef04d2");
    let secy = Secy::decode(MessageRef::from_parts(FAMILY, 0, &payload)).unwrap();
    let value = serde_json::to_value(&secy).unwrap();
    assert_eq!((&value["sci"], &value["index"]), (&json!("1ceddeadbeef04d2"), &json!(10)));
    assert_eq!((&value["cipher"], &value["encoding_sa"]), (&json!("GCM-AES-128"), &json!(0)));
    let device = MacsecDevice::new().cipher(CipherSuite::GcmAesXpn256).replay(5);
    let value = serde_json::to_value(device).unwrap();
    assert_eq!((&value["cipher"], &value["window"]), (&json!("GCM-AES-XPN-256"), &json!(5)));
}
