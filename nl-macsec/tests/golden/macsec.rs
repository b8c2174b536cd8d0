// What is sent for each command of `ip macsec`: the table that the kernel test compares with iproute2, and the codec test with
// what iproute2 sent then. Written with `NL_TESTKIT_BLESS=1`.

use std::collections::BTreeMap;

use nl_core::Request;
use nl_core::message::{NLM_F_ACK, NLM_F_DUMP};
use nl_macsec::rx_sa::RxSa;
use nl_macsec::rx_sc::RxSc;
use nl_macsec::secy::Secy;
use nl_macsec::tx_sa::TxSa;
use nl_macsec::{CipherSuite, FAMILY, KeyId, Offload, SaConfig, Salt, Sci, SecretKey, Verb};
use nl_testkit::oracle::{Attr, BytesOracle, Field, Mismatch, Shape};

pub(crate) const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/macsec.hex");

/// The number of the family, under its name, and those of the devices `macsec0` and `xpn0`.
pub(crate) type Numbers = BTreeMap<String, u32>;

/// A line of `ip macsec`, and the codec's request for it.
pub(crate) struct Line {
    pub(crate) command: &'static str,
    codec: fn(u16, u32) -> Request,
}

impl Line {
    /// The codec's request, as it is sent.
    pub(crate) fn request(&self, numbers: &Numbers) -> nl_core::Result<Vec<u8>> {
        let family = u16::try_from(numbers[FAMILY]).unwrap();
        let dev = if self.command.contains("xpn0") { "xpn0" } else { "macsec0" };
        let flags = if self.command == "show" { NLM_F_DUMP } else { NLM_F_ACK };
        Ok((self.codec)(family, numbers[dev]).with_flags(flags).encoded()?.to_vec())
    }

    pub(crate) fn compare(&self, ours: &[u8], theirs: &[u8]) -> Result<(), Mismatch> {
        BytesOracle::new(&MACSEC).compare(ours, theirs)
    }
}

pub(crate) const PEER: &str = "1ceddeadbeef04d2";

pub(crate) fn peer() -> Sci {
    PEER.parse().unwrap()
}

pub(crate) fn key_128() -> SecretKey {
    SecretKey::from_hex("12345678901234567890123456789012").unwrap()
}

pub(crate) fn key_256() -> SecretKey {
    SecretKey::from_hex("1234567890123456789012345678901212345678901234567890123456789012").unwrap()
}

pub(crate) fn id(text: &str) -> KeyId {
    text.parse().unwrap()
}

pub(crate) fn salt() -> Salt {
    Salt::from_hex("838383838383838383838384").unwrap()
}

pub(crate) fn lines() -> Vec<Line> {
    const PLAIN: CipherSuite = CipherSuite::GcmAes128;
    const XPN: CipherSuite = CipherSuite::GcmAesXpn256;
    let line = |command, codec| Line { command, codec };
    vec![
        line("add macsec0 rx port 1234 address 1c:ed:de:ad:be:ef", |f, i| {
            RxSc::new(i, peer()).request(f, Verb::Add)
        }),
        line("set macsec0 rx sci 1ceddeadbeef04d2 off", |f, i| {
            RxSc::new(i, peer()).active(false).request(f, Verb::Update)
        }),
        line("set macsec0 rx sci 1ceddeadbeef04d2 on", |f, i| {
            RxSc::new(i, peer()).active(true).request(f, Verb::Update)
        }),
        line(
            "add macsec0 rx sci 1ceddeadbeef04d2 sa 1 pn 100 on key 02 12345678901234567890123456789012",
            |f, i| {
                let sa = SaConfig::new(1).next_pn(100).active(true).key(&key_128()).key_id(id("02"));
                RxSa::new(i, peer(), sa).request(f, PLAIN, Verb::Add)
            },
        ),
        line("set macsec0 rx sci 1ceddeadbeef04d2 sa 1 pn 200", |f, i| {
            RxSa::new(i, peer(), SaConfig::new(1).next_pn(200)).request(f, PLAIN, Verb::Update)
        }),
        line("set macsec0 rx sci 1ceddeadbeef04d2 sa 1 off", |f, i| {
            RxSa::new(i, peer(), SaConfig::new(1).active(false)).request(f, PLAIN, Verb::Update)
        }),
        line("del macsec0 rx sci 1ceddeadbeef04d2 sa 1", |f, i| {
            RxSa::new(i, peer(), SaConfig::new(1)).request(f, PLAIN, Verb::Delete)
        }),
        line("del macsec0 rx sci 1ceddeadbeef04d2", |f, i| RxSc::new(i, peer()).request(f, Verb::Delete)),
        line("add macsec0 tx sa 0 pn 1024 on key 01 12345678901234567890123456789012", |f, i| {
            let sa = SaConfig::new(0).next_pn(1024).active(true).key(&key_128()).key_id(id("01"));
            TxSa::new(i, sa).request(f, PLAIN, Verb::Add)
        }),
        line("set macsec0 tx sa 0 pn 2048", |f, i| {
            TxSa::new(i, SaConfig::new(0).next_pn(2048)).request(f, PLAIN, Verb::Update)
        }),
        line("set macsec0 tx sa 0 pn 4096 off", |f, i| {
            TxSa::new(i, SaConfig::new(0).next_pn(4096).active(false)).request(f, PLAIN, Verb::Update)
        }),
        line("del macsec0 tx sa 0", |f, i| TxSa::new(i, SaConfig::new(0)).request(f, PLAIN, Verb::Delete)),
        line(
            "add xpn0 tx sa 3 xpn 4294967296 salt 838383838383838383838384 ssci 1 on key 01 \
             1234567890123456789012345678901212345678901234567890123456789012",
            |f, i| {
                let sa = SaConfig::new(3).next_pn(1 << 32).active(true).key(&key_256()).key_id(id("01"));
                TxSa::new(i, sa.ssci(1).salt(&salt())).request(f, XPN, Verb::Add)
            },
        ),
        line("set xpn0 tx sa 3 xpn 8589934592", |f, i| {
            TxSa::new(i, SaConfig::new(3).next_pn(1 << 33)).request(f, XPN, Verb::Update)
        }),
        line("add xpn0 rx sci 1ceddeadbeef04d2", |f, i| RxSc::new(i, peer()).request(f, Verb::Add)),
        line(
            "add xpn0 rx sci 1ceddeadbeef04d2 sa 2 xpn 1 salt 838383838383838383838384 ssci 2 on key 01 \
             1234567890123456789012345678901212345678901234567890123456789012",
            |f, i| {
                let sa = SaConfig::new(2).next_pn(1).active(true).key(&key_256()).key_id(id("01"));
                RxSa::new(i, peer(), sa.ssci(2).salt(&salt())).request(f, XPN, Verb::Add)
            },
        ),
        line("offload macsec0 off", |f, i| Secy::offload_request(f, i, Offload::Off)),
        line("show", |f, _| Secy::list_request(f)),
    ]
}

const SA: &[Attr] = &[
    Attr::new(1, "AN"),
    Attr::new(2, "ACTIVE"),
    Attr::new(3, "PN"),
    Attr::new(4, "KEY"),
    Attr::new(5, "KEYID"),
    Attr::new(8, "SSCI"),
    Attr::new(9, "SALT"),
];

// include/uapi/linux/if_macsec.h
const MACSEC: Shape =
    Shape::new("genlmsghdr", &[Field::new("cmd", 1), Field::new("version", 1), Field::new("reserved", 2)])
        .attrs(&[
            Attr::new(1, "IFINDEX"),
            Attr::nest(2, "RXSC_CONFIG", &[Attr::new(1, "SCI"), Attr::new(2, "ACTIVE")]),
            Attr::nest(3, "SA_CONFIG", SA),
            Attr::nest(9, "OFFLOAD", &[Attr::new(1, "TYPE")]),
        ]);
