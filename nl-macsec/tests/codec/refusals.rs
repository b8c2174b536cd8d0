//! Bad input is refused with the limit in the text. Those that a device takes part in are in `tests/kernel/errors.rs`.

use nl_core::link::{LinkConfig, LinkVerb};
use nl_macsec::device::MacsecDevice;
use nl_macsec::secy::Secy;
use nl_macsec::tx_sa::TxSa;
use nl_macsec::{CipherSuite, KeyId, Offload, SaConfig, Salt, Sci, SecretKey, Validation, Verb};

use crate::FAMILY;

#[test]
fn texts_that_are_no_values_are_refused() {
    for text in ["", "1", "0g", &"00".repeat(17)] {
        assert!(text.parse::<KeyId>().unwrap_err().is_usage(), "{text}");
    }
    for text in ["", "1ceddeadbeef04d", "1ceddeadbeef04d200", "1ceddeadbeef04dx"] {
        assert!(text.parse::<Sci>().unwrap_err().is_usage(), "{text}");
    }
    for len in [0, 15, 17, 24, 31, 33, 128] {
        let error = SecretKey::new(&vec![1; len]).unwrap_err();
        assert_eq!(error.to_string(), format!("a key of {len} bytes; 16 or 32 are possible"));
    }
    assert!(Salt::from_hex("00").unwrap_err().is_usage());
}

#[test]
fn keys_and_salts_of_a_file_may_end_with_a_newline() {
    let (key, salt) = ("07".repeat(16), "05".repeat(12));
    for (before, behind) in [("", "\n"), ("", "\r\n"), (" ", " \t\n")] {
        let read = SecretKey::from_hex(&format!("{before}{key}{behind}")).unwrap();
        assert_eq!(read, SecretKey::new(&[7; 16]).unwrap());
        assert_eq!(Salt::from_hex(&format!("{before}{salt}{behind}")).unwrap(), Salt::new(&[5; 12]));
    }
    let divided = format!("{}\n{}", "07".repeat(8), "07".repeat(8));
    assert!(SecretKey::from_hex(&divided).unwrap_err().is_usage());
    assert!(SecretKey::from_hex(" \n").unwrap_err().is_usage());
}

#[test]
fn association_of_an_impossible_device_is_refused() {
    for index in [0, u32::MAX] {
        let mut request = TxSa::new(index, SaConfig::new(0).active(true)).request(
            FAMILY,
            CipherSuite::GcmAes128,
            Verb::Update,
        );
        assert!(request.encoded().unwrap_err().to_string().contains("interface index"));
    }
    let mut request =
        TxSa::new(5, SaConfig::new(0).next_pn(1)).request(FAMILY, CipherSuite::Other(1), Verb::Update);
    assert!(request.encoded().unwrap_err().to_string().contains("cipher suite 0x0000000000000001"));
    let mut request = Secy::offload_request(FAMILY, 5, Offload::Other(9));
    assert_eq!(
        request.encoded().unwrap_err().to_string(),
        "offload macsec #5 9: offload 9; 0 to 2 are possible"
    );
}

#[test]
fn options_out_of_range_are_refused() {
    let refused = |options: MacsecDevice, why: &str| {
        let mut config = LinkConfig::new("m0").kind(options);
        config.link = Some(5.into());
        let error = config.request(LinkVerb::Add).encoded().unwrap_err().to_string();
        assert!(error.ends_with(why), "{error}");
    };
    refused(MacsecDevice::new().validation(Validation::Other(3)), "validation 3; 0 to 2 are possible");
    refused(MacsecDevice::new().offload(Offload::Other(3)), "offload 3; 0 to 2 are possible");
    refused(MacsecDevice::new().encoding_sa(4), "association number 4; 0 to 3 are possible");
    for len in [0, 7, 9, 10, 11, 17, 32] {
        refused(MacsecDevice::new().icv_len(len), &format!("icvlen {len}; 8 and 12 to 16 are possible"));
    }
}
