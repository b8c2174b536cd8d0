//! Keys: bytes, words, and nothing of the secret.

use nl_srv6::hmac::{HmacAlgorithm, HmacKey, HmacSecret};
use nl_testkit::oracle::unhex;

fn secret() -> HmacSecret {
    HmacSecret::new(b"supersecret0123".to_vec())
}

#[cfg(target_endian = "little")]
#[test]
fn key_has_the_bytes_that_a_kernel_took() {
    let mut request = HmacKey::set_request(30, 42, HmacAlgorithm::Sha256, &secret());
    let payload = unhex(
        "01010000 08000300 2a000000 05000500 0f000000 05000600 02000000 \
         13000400 73757065 72736563 72657430 31323300",
    );
    assert_eq!(request.encoded().unwrap()[16..], payload);
}

#[test]
fn secret_is_in_no_words() {
    let request = HmacKey::set_request(30, 42, HmacAlgorithm::Sha256, &secret());
    assert!(request.is_sensitive());
    assert_eq!(request.describe(), "set hmac key 42 sha256");
    assert_eq!(HmacKey::delete_request(30, 42).describe(), "delete hmac key 42");
    assert!(!format!("{request:?} {:?}", secret()).contains("secret0"));
    assert_eq!(format!("{:?}", secret()), "HmacSecret(15 bytes)");
}

/// Vectors of a kernel.
#[cfg(feature = "hmac-compute")]
mod compute {
    use nl_srv6::hmac::{compute, verify};
    use nl_srv6::srh::{Srh, Tlv};

    use super::*;
    use crate::commands::addr;

    #[test]
    fn hmac_equals_that_of_a_kernel() {
        let source = addr("2001:db8:1::a");
        let full = Srh::new([addr("fcbb:0:b::"), addr("fcbb:0:c::")]).hmac(42);
        let reduced = Srh::new([addr("fcbb:0:c::")]).hmac(42);
        for (srh, algorithm, expected) in [
            (
                &full,
                HmacAlgorithm::Sha256,
                "92365885259e66cf36e5b435fbac537e7d87716b58255ad0c8e7f359001cb807",
            ),
            (&full, HmacAlgorithm::Sha1, "50cc2b8d8bd86ea2d6416a66929409df5174b06a"),
            (
                &reduced,
                HmacAlgorithm::Sha256,
                "44178f8ea0ea8d79e82845ad47c7bfc74582db5a552ff1ecce709950e779d678",
            ),
            (&reduced, HmacAlgorithm::Sha1, "28b3865e16965a7709c5136d13324ddba90ba9d7"),
        ] {
            let mut expected = unhex(expected);
            expected.resize(32, 0);
            let hmac = compute(source, srh, algorithm, &secret()).unwrap();
            assert_eq!(hmac[..], expected);

            let mut signed = srh.clone();
            let Some(Tlv::Hmac(tlv)) = signed.tlvs.last_mut() else { unreachable!() };
            tlv.hmac = hmac;
            assert_eq!(verify(source, &signed, algorithm, &secret()), Ok(true));
            let other = HmacSecret::new(b"other".to_vec());
            assert_eq!(verify(source, &signed, algorithm, &other), Ok(false));
        }
    }

    #[test]
    fn header_without_an_hmac_is_refused() {
        let srh = Srh::new([addr("fcbb:0:b::")]);
        let error = compute(addr("2001:db8:1::a"), &srh, HmacAlgorithm::Sha1, &secret()).unwrap_err();
        assert_eq!(error.to_string(), "a header without an HMAC");
    }
}
