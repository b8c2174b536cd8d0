use std::net::Ipv6Addr;

use hmac::{Hmac, KeyInit, Mac};
use nl_core::check::Invalid;

use super::codec::HmacAlgorithm;
use super::secret::HmacSecret;
use crate::srh::{MAX_SEGMENTS_HMAC, Srh};

/// Computes the HMAC of a header as the kernel does (RFC 8754, section 2.1.2.1): over the source address of the outer header, the last
/// entry, the flags, the number of the key and the segments. SHA-1 fills 20 bytes.
///
/// The header is one of a packet: of a reduced mode it lacks the first segment, and inline the destination is its last.
///
/// ```
/// use nl_srv6::hmac::{HmacAlgorithm, HmacSecret, compute};
/// use nl_srv6::srh::Srh;
///
/// let srh = Srh::new(["fcbb:0:b::".parse()?, "fcbb:0:c::".parse()?]).hmac(42);
/// let secret = HmacSecret::new(b"supersecret0123".to_vec());
/// let hmac = compute("2001:db8:1::a".parse()?, &srh, HmacAlgorithm::Sha256, &secret)?;
/// assert_eq!(hmac[..4], [0x92, 0x36, 0x58, 0x85]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A header without an HMAC or with too many segments; an unknown algorithm; a secret of an impossible length.
pub fn compute(
    source: Ipv6Addr,
    srh: &Srh,
    algorithm: HmacAlgorithm,
    secret: &HmacSecret,
) -> Result<[u8; 32], Invalid> {
    secret.check()?;
    let text = text(source, srh)?;
    let mut hmac = [0; 32];
    let (computed, len): (Vec<u8>, usize) = match algorithm {
        HmacAlgorithm::Sha1 => (digest::<Hmac<sha1::Sha1>>(secret, &text)?, 20),
        HmacAlgorithm::Sha256 => (digest::<Hmac<sha2::Sha256>>(secret, &text)?, 32),
        HmacAlgorithm::Other(number) => {
            return Err(format!("algorithm {number}; 1 (sha1) and 2 (sha256) are possible").into());
        }
    };
    for (to, from) in hmac.iter_mut().zip(computed.iter().take(len)) {
        *to = *from;
    }
    Ok(hmac)
}

/// Whether the HMAC that a header has is that of the secret. All bytes are compared, however many are wrong.
///
/// # Errors
/// As [`compute`].
pub fn verify(
    source: Ipv6Addr,
    srh: &Srh,
    algorithm: HmacAlgorithm,
    secret: &HmacSecret,
) -> Result<bool, Invalid> {
    let computed = compute(source, srh, algorithm, secret)?;
    let has = srh.hmac_tlv().map_or([0; 32], |tlv| tlv.hmac);
    // SHA-1 fills 20 bytes, and the kernel compares no more.
    let len = if algorithm == HmacAlgorithm::Sha1 { 20 } else { 32 };
    let differing = computed.iter().zip(&has).take(len).fold(0, |all, (a, b)| all | (a ^ b));
    Ok(differing == 0)
}

fn text(source: Ipv6Addr, srh: &Srh) -> Result<Vec<u8>, Invalid> {
    let tlv = srh.hmac_tlv().ok_or("a header without an HMAC")?;
    let count = srh.segments.len();
    let last = match u8::try_from(count) {
        Ok(count) if (1..=MAX_SEGMENTS_HMAC).contains(&usize::from(count)) => count - 1,
        _ => {
            return Err(
                format!("{count} segments; 1 to {MAX_SEGMENTS_HMAC} are possible with an HMAC").into()
            );
        }
    };
    let mut text = source.octets().to_vec();
    text.extend_from_slice(&[last, srh.flags.bits()]);
    text.extend_from_slice(&tlv.key.to_be_bytes());
    for segment in srh.segments.iter().rev() {
        text.extend_from_slice(&segment.octets());
    }
    Ok(text)
}

fn digest<M: Mac + KeyInit>(secret: &HmacSecret, text: &[u8]) -> Result<Vec<u8>, Invalid> {
    let mac = <M as KeyInit>::new_from_slice(secret.expose());
    let mut mac = mac.map_err(|_| Invalid::new("a secret of an impossible length"))?;
    mac.update(text);
    Ok(mac.finalize().into_bytes().to_vec())
}
