// What must hold for any association that somebody asks for. Shared by the fuzz target and by the test that replays the corpus.

use nl_core::message::{GenlHeader, MessageRef};
use nl_macsec::rx_sa::RxSa;
use nl_macsec::tx_sa::TxSa;
use nl_macsec::{CipherSuite, KeyId, SaConfig, Salt, Sci, SecretKey, Verb};

const FAMILY: u16 = 0x1c;
const SA_CONFIG: u16 = 3;

/// Makes an association of the bytes, and reads them as texts.
pub(crate) fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        check_texts(text);
    }
    let Some((suite, sa)) = association(data) else { return };
    for verb in [Verb::Add, Verb::Update, Verb::Delete] {
        let sci = Sci::from_bytes([2; 8]);
        let requests = [
            (TxSa::new(5, copy(&sa)).request(FAMILY, suite, verb), verb == Verb::Add),
            (RxSa::new(5, sci, copy(&sa)).request(FAMILY, suite, verb), false),
        ];
        for (mut request, needs_pn) in requests {
            assert_eq!(request.is_sensitive(), sa.key.is_some() || sa.salt.is_some());
            assert!(!request.describe().is_empty());
            match request.encoded() {
                Ok(bytes) => check_accepted(&sa, suite, verb, needs_pn, bytes),
                Err(error) => assert!(error.is_usage(), "{error}"),
            }
        }
    }
}

/// What was not refused is complete, and is on the wire in the width that the kernel asks for.
fn check_accepted(sa: &SaConfig, suite: CipherSuite, verb: Verb, needs_pn: bool, bytes: &[u8]) {
    assert!(sa.an.get() < 4);
    let message = MessageRef::parse(bytes).unwrap();
    let (_, attrs) = message.header::<GenlHeader>().unwrap();
    let config = attrs.find(SA_CONFIG).unwrap().unwrap().attrs();
    let width = |kind| config.find(kind).unwrap().map(|attr| attr.value().len());
    assert_eq!(width(1), Some(1));
    if verb == Verb::Delete {
        assert_eq!([2, 3, 4, 5, 8, 9].map(width), [None; 6]);
        return;
    }
    assert_eq!(width(3), sa.next_pn.map(|_| if suite.is_xpn() { 8 } else { 4 }));
    assert!(sa.next_pn.is_some() || !needs_pn);
    let xpn = |len| (verb == Verb::Add && suite.is_xpn()).then_some(len);
    let added = |len: Option<usize>| len.filter(|_| verb == Verb::Add);
    assert_eq!([width(4), width(5)], [added(suite.key_len()), added(Some(16))]);
    assert_eq!([width(8), width(9)], [xpn(4), xpn(12)]);
}

/// A suite and an association: a byte that says what is set, one for the suite, one for the number, 8 for the packet number; the rest are
/// keys.
fn association(data: &[u8]) -> Option<(CipherSuite, SaConfig)> {
    let ([set, suite, an], rest) = data.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let is = |bit: u8| set & (1 << bit) != 0;
    let suite = *CipherSuite::ALL.get(usize::from(*suite)).unwrap_or(&CipherSuite::Other(u64::from(*suite)));
    let mut sa = SaConfig::new(*an);
    sa.active = is(0).then_some(is(1));
    sa.next_pn = is(2).then_some(u64::from_be_bytes(*number));
    sa.key = SecretKey::new(rest.get(..if is(3) { 32 } else { 16 })?).ok().filter(|_| is(4));
    sa.key_id = is(5).then_some(KeyId::new(*rest.first_chunk()?));
    sa.ssci = is(6).then_some(7_u32.into());
    sa.salt = is(7).then(|| Salt::new(rest.first_chunk().unwrap_or(&[1; 12])));
    Some((suite, sa))
}

/// A configuration is not `Clone`, because of its key.
fn copy(sa: &SaConfig) -> SaConfig {
    let mut copy = SaConfig::new(sa.an);
    (copy.active, copy.next_pn, copy.key_id, copy.ssci) = (sa.active, sa.next_pn, sa.key_id, sa.ssci);
    copy.key = sa.key.as_ref().and_then(|key| SecretKey::new(key.expose()).ok());
    copy.salt = sa.salt.as_ref().and_then(|salt| Some(Salt::new(salt.expose().first_chunk()?)));
    copy
}

/// What is accepted has its length, and a refusal says nothing about the text but its length.
fn check_texts(text: &str) {
    let (other, zeros) = ("x", "0".repeat(text.len()));
    let refused = |error: nl_core::Error, alike: [Option<nl_core::Error>; 2]| {
        assert!(alike.into_iter().flatten().any(|alike| alike.to_string() == error.to_string()), "{error}");
    };
    match SecretKey::from_hex(text) {
        Ok(key) => assert_eq!(key.len() * 2, text.len()),
        Err(error) => refused(error, [other, &zeros].map(|text| SecretKey::from_hex(text).err())),
    }
    match Salt::from_hex(text) {
        Ok(_) => assert_eq!(text.len(), 24),
        Err(error) => refused(error, [other, &zeros].map(|text| Salt::from_hex(text).err())),
    }
    if let Ok(id) = text.parse::<KeyId>() {
        assert_eq!(id.to_string().parse::<KeyId>().ok(), Some(id));
    }
    if let Ok(sci) = text.parse::<Sci>() {
        assert_eq!(sci.to_string(), text.to_ascii_lowercase());
    }
}
