//! What all contestants talk about: which entries exist, and what was seen of them.

use std::net::Ipv4Addr;

use crate::Result;

/// The bridge whose table is used.
pub(crate) const BRIDGE: &str = "br0";
pub(crate) const IFINDEX_BRIDGE: u32 = 1001;

/// Its port, on which all entries are.
pub(crate) const PORT: &str = "p0";
pub(crate) const IFINDEX_PORT: u32 = 1002;

/// `NUD_NOARP`: the state of every entry we add, "static" in iproute2's words.
pub(crate) const STATE_STATIC: u16 = 0x40;

/// `NUD_PERMANENT`: "permanent" in iproute2's words.
pub(crate) const STATE_PERMANENT: u16 = 0x80;

/// An Ethernet address.
pub(crate) type Mac = [u8; 6];

/// `count` different unicast addresses `02:00:00:…`.
pub(crate) fn macs(count: u32) -> Vec<Mac> {
    (0..count)
        .map(|n| {
            let [_, a, b, c] = n.to_be_bytes();
            [0x02, 0, 0, a, b, c]
        })
        .collect()
}

/// How many of our entries were seen, and the sum of their addresses: equal tallies are equal tables.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) entries: u64,
    sum: u64,
}

impl Tally {
    /// Counts one static entry of the bridge.
    pub(crate) fn add(&mut self, mac: Mac) {
        let [a, b, c, d, e, f] = mac;
        self.entries += 1;
        self.sum = self.sum.wrapping_add(u64::from_be_bytes([0, 0, a, b, c, d, e, f]));
    }

    /// Counts what another tally has counted.
    pub(crate) fn add_all(&mut self, other: Self) {
        self.entries += other.entries;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    pub(crate) fn of(macs: &[Mac]) -> Self {
        let mut tally = Self::default();
        for mac in macs {
            tally.add(*mac);
        }
        tally
    }
}

/// What a decoder is asked to read out of one message.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) ifindex: u32,
    pub(crate) mac: Mac,
    pub(crate) vlan: Option<u16>,
    pub(crate) dst: Option<Ipv4Addr>,
    pub(crate) vni: Option<u32>,
}

/// A message as captured from the kernel, and what is in it.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) name: &'static str,
    hex: &'static str,
    pub(crate) seen: Seen,
}

impl Captured {
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        let (pairs, _) = self.hex.as_bytes().as_chunks::<2>();
        pairs.iter().map(|pair| Ok(u8::from_str_radix(str::from_utf8(pair)?, 16)?)).collect()
    }
}

/// Captured on a little-endian machine with nlmon.
pub(crate) const CAPTURED: [Captured; 2] = [
    // bridge fdb add 02:00:00:00:00:01 dev p0 master static vlan 10 activity_notify; bridge fdb show dev p0
    Captured {
        name: "bridge entry, 96 bytes",
        hex: "600000001c00020001000000000000000700000005000000400000000a00020002000000000100000800090003000000\
              08000f00000000001400030000000000000000000000000000000000060005000a0000000c000e800500010001000000",
        seen: Seen { ifindex: 5, mac: [2, 0, 0, 0, 0, 1], vlan: Some(10), dst: None, vni: None },
    },
    // bridge fdb add 02:00:00:00:00:02 dev vu0 self permanent dst 192.0.2.1 port 1234 vni 200;
    // bridge fdb show dev vu0
    Captured {
        name: "VXLAN entry, 84 bytes",
        hex: "540000001c00020001000000000000000700000008000000800002010a000200020000000002000008000100c0000201\
              0600060004d2000008000700c80000001400030000000000010000000100000000000000",
        seen: Seen {
            ifindex: 8,
            mac: [2, 0, 0, 0, 0, 2],
            vlan: None,
            dst: Some(Ipv4Addr::new(192, 0, 2, 1)),
            vni: Some(200),
        },
    },
];
