//! `Serialize`: what is read can be printed as JSON, and keys are not among it. `Deserialize`: what a configuration names.

use nl_core::message::MessageRef;
use nl_macsec::device::MacsecDevice;
use nl_macsec::secy::Secy;
use nl_macsec::{CipherSuite, KeyId, Offload, Sci, Validation};
use nl_testkit::oracle::unhex;
use serde_json::{from_value, json, to_value};

use crate::FAMILY;

#[test]
#[cfg_attr(target_endian = "big", ignore = "the bytes are of a little-endian machine")]
fn decoded_types_serialize_to_json() {
    let payload = unhex("00010000 08000100 0a000000 10000400 0c000100 1ceddead beef04d2");
    let secy = Secy::decode(MessageRef::from_parts(FAMILY, 0, &payload)).unwrap();
    let value = to_value(&secy).unwrap();
    assert_eq!((&value["sci"], &value["index"]), (&json!("1ceddeadbeef04d2"), &json!(10)));
    assert_eq!((&value["cipher"], &value["encoding_sa"]), (&json!("GCM-AES-128"), &json!(0)));
    let device = MacsecDevice::new().cipher(CipherSuite::GcmAesXpn256).replay(5);
    let value = to_value(device).unwrap();
    assert_eq!((&value["cipher"], &value["window"]), (&json!("GCM-AES-XPN-256"), &json!(5)));
}

#[test]
fn suites_modes_and_identifiers_are_read_as_they_are_written() {
    for suite in CipherSuite::ALL.into_iter().chain([CipherSuite::Other(0x1234)]) {
        assert_eq!(from_value::<CipherSuite>(to_value(suite).unwrap()).unwrap(), suite);
        assert_eq!(suite.to_string().to_lowercase().parse::<CipherSuite>().unwrap(), suite);
    }
    for (mode, word) in
        [(Validation::Disabled, "disabled"), (Validation::Check, "check"), (Validation::Strict, "strict")]
    {
        assert_eq!((from_value::<Validation>(json!(word)).unwrap(), word.parse().unwrap()), (mode, mode));
    }
    assert_eq!(from_value::<Offload>(to_value(Offload::Phy).unwrap()).unwrap(), Offload::Phy);
    let sci: Sci = "1ceddeadbeef04d2".parse().unwrap();
    assert_eq!(from_value::<Sci>(to_value(sci).unwrap()).unwrap(), sci);
    assert_eq!(from_value::<KeyId>(json!("01")).unwrap(), "01".parse().unwrap());
    let error = from_value::<CipherSuite>(json!("aes")).unwrap_err();
    assert!(error.to_string().contains("\"aes\"; GCM-AES-128, GCM-AES-256"), "{error}");
}
