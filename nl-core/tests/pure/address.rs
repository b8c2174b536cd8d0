//! Addresses: arbitrary ones survive the wire, arbitrary bytes never panic, every refusal.

use std::net::IpAddr;
use std::time::Duration;

use nl_core::address::{
    Address, AddressEvent, AddressFilter, AddressFlags, AddressScope, AddressVerb, Lifetime, RTM_DELADDR,
    RTM_GETADDR, RTM_NEWADDR,
};
use nl_core::attr::RawAttr;
use nl_core::message::MessageRef;
use nl_core::{IpPrefix, Request};
use proptest::option;
use proptest::prelude::*;

use crate::support::{refusal, unhex};

const READ_ONLY: u32 = 0x01 | 0x08 | 0x20 | 0x40 | 0x80 | 0x800;

fn v4() -> Address {
    Address::new("192.0.2.1/24".parse().unwrap(), 5)
}

fn v6() -> Address {
    Address::new("2001:db8::1/64".parse().unwrap(), 5)
}

fn decode(mut request: Request) -> Address {
    Address::decode(MessageRef::parse(request.encoded().unwrap()).unwrap()).unwrap()
}

fn lifetime() -> impl Strategy<Value = Lifetime> {
    prop_oneof![
        Just(Lifetime::Forever),
        (0..u32::MAX).prop_map(|seconds| Lifetime::For(Duration::from_secs(seconds.into()))),
    ]
}

prop_compose! {
    /// Any address at all, of which many are refused.
    fn any_address()(
        (local, index, len) in (any::<IpAddr>(), any::<u32>(), any::<u8>()),
        (peer, anycast, multicast) in (option::of(any::<IpAddr>()), option::of(any::<IpAddr>()), option::of(any::<IpAddr>())),
        label in option::of("[a-z:0-9]{0,17}"),
        broadcast in option::of(any::<[u8; 4]>()),
        (scope, flags, metric, proto) in (any::<u8>(), any::<u32>(), option::of(any::<u32>()), option::of(any::<u8>())),
        (valid, preferred) in (option::of(lifetime()), option::of(lifetime())),
        other in prop::collection::vec((12..0x3fff_u16, any::<bool>(), prop::collection::vec(any::<u8>(), 0..9)), 0..3),
    ) -> Address {
        let mut address = Address::new(IpPrefix::host(local), index);
        (address.prefix_len, address.peer, address.label) = (len, peer, label);
        (address.anycast, address.multicast, address.broadcast) = (anycast, multicast, broadcast.map(Into::into));
        (address.scope, address.flags) = (scope.into(), AddressFlags::from_bits_retain(flags));
        (address.metric, address.proto) = (metric, proto);
        (address.valid, address.preferred) = (valid, preferred);
        let raw = |(kind, nested, value): (u16, bool, Vec<u8>)| RawAttr::new(kind | u16::from(nested) << 15, &value);
        address.other = other.into_iter().map(raw).collect();
        address
    }
}

/// One that is never refused.
fn valid_address() -> impl Strategy<Value = Address> {
    any_address().prop_map(|mut address| {
        address.index = (address.index >> 1).max(1);
        let v4 = address.local.is_ipv4();
        address.prefix_len %= if v4 { 33 } else { 129 };
        address.peer = address.peer.filter(|peer| peer.is_ipv4() == v4 && *peer != address.local);
        address.label = address.label.filter(|label| v4 && (1..=15).contains(&label.len()));
        address.broadcast = address.broadcast.filter(|_| v4);
        address.proto = address.proto.filter(|proto| *proto != 0);
        address.valid = address.valid.map(|valid| valid.max(Lifetime::For(Duration::from_secs(1))));
        let valid = address.valid.unwrap_or(Lifetime::Forever);
        address.preferred = address.preferred.map(|preferred| preferred.min(valid));
        address
    })
}

/// What of an address is in the message that makes it, as it is read from there.
fn travelled(address: &Address) -> Address {
    let mut address = address.clone();
    address.flags -= AddressFlags::from_bits_retain(READ_ONLY);
    address.peer = address.peer.filter(|peer| *peer != address.local);
    if address.valid.is_some() || address.preferred.is_some() {
        let valid = address.valid.unwrap_or(Lifetime::Forever);
        (address.valid, address.preferred) = (Some(valid), Some(address.preferred.unwrap_or(valid)));
        (address.created, address.updated) = (Some(Duration::ZERO), Some(Duration::ZERO));
    }
    address
}

fn never_panics(data: &[u8]) {
    for kind in [RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR] {
        let message = MessageRef::from_parts(kind, 0, data);
        let _ = AddressEvent::decode(message);
        if let Ok(address) = Address::decode(message) {
            let _ =
                (address.to_string(), address.key(), address.clone().without_ages(), format!("{address:?}"));
            for verb in [AddressVerb::Add, AddressVerb::Delete, AddressVerb::Replace] {
                let mut request = address.request(verb);
                assert!(request.describe().contains(" dev #"));
                if let Ok(bytes) = request.encoded() {
                    let back = Address::decode(MessageRef::parse(bytes).unwrap()).unwrap();
                    if verb != AddressVerb::Delete {
                        assert_eq!(back.other, address.other);
                        assert_eq!(travelled(&back), travelled(&address.clone().without_stamps()));
                    }
                }
            }
        }
    }
}

trait WithoutStamps {
    fn without_stamps(self) -> Self;
}

impl WithoutStamps for Address {
    fn without_stamps(mut self) -> Self {
        (self.created, self.updated, self.target_netnsid) = (None, None, None);
        self
    }
}

proptest! {
    #[test]
    fn a_valid_address_reads_back_as_it_was_written(address in valid_address()) {
        for verb in [AddressVerb::Add, AddressVerb::Replace] {
            prop_assert_eq!(decode(address.request(verb)), travelled(&address));
        }
        prop_assert_eq!(decode(address.request(AddressVerb::Delete)).key(), address.key());
    }

    #[test]
    fn an_address_is_refused_or_reads_back_as_it_was_written(address in any_address()) {
        let mut request = address.request(AddressVerb::Add);
        match request.encoded() {
            Err(error) => prop_assert!(error.is_usage(), "{}", error),
            Ok(bytes) => {
                let back = Address::decode(MessageRef::parse(bytes).unwrap()).unwrap();
                prop_assert_eq!(back, travelled(&address));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(data: Vec<u8>) {
        never_panics(&data);
    }

    /// Attributes with sane lengths, so that every one of them is reached.
    #[test]
    fn arbitrary_attributes_never_panic(
        family in prop_oneof![Just(2u8), Just(10u8), any::<u8>()],
        header in any::<[u8; 7]>(),
        attrs in prop::collection::vec((0..15u16, prop_oneof![Just(4usize), Just(16), Just(1), 0..20usize], any::<u8>()), 0..12),
    ) {
        let mut data = vec![family];
        data.extend(header);
        for (kind, len, fill) in attrs {
            data.extend(u16::try_from(4 + len).unwrap().to_ne_bytes());
            data.extend(kind.to_ne_bytes());
            data.extend(vec![fill; len]);
            data.resize(data.len().next_multiple_of(4), 0);
        }
        never_panics(&data);
    }

    #[test]
    fn a_scope_survives_as_its_number(number: u8) {
        prop_assert_eq!(u8::from(AddressScope::from(number)), number);
    }
}

/// `ip address add 192.0.2.7/24 dev d0 label d0:7 broadcast + metric 9 valid_lft 1000 preferred_lft 500 noprefixroute`, and
/// `ip address add 2001:db8::1 peer 2001:db8::2/128 dev d0 nodad`, as Linux 6.18 lists them.
#[test]
#[cfg(target_endian = "little")]
fn addresses_of_the_kernel_are_read_with_all_attributes() {
    let read = |hex: &str| {
        let bytes = unhex(hex);
        Address::decode(MessageRef::parse(&bytes).unwrap()).unwrap()
    };
    let address = read(
        "60000000140002000000000000000000021800000200000008000100c000020708000200c000020708000400c00002ff \
         0900030064303a37000000000800080000020000080009000900000014000600f4010000e80300009d4417009d441700",
    );
    assert_eq!(
        address.to_string(),
        "192.0.2.7/24 dev #2 metric 9 broadcast 192.0.2.255 scope global label d0:7 noprefixroute valid_lft 1000 \
         preferred_lft 500"
    );
    let since_start = Some(Duration::from_millis(0x0017_449d * 10));
    assert_eq!((address.created, address.updated), (since_start, since_start));
    assert_eq!((address.peer, address.other), (None, Vec::new()));
    let address = read(
        "5c0000001400020000000000000000000a808200020000001400020020010db80000000000000000000000011400010020010db8 \
         00000000000000000000000214000600ffffffffffffffff9e4417009e4417000800080082000000",
    );
    assert_eq!(
        address.to_string(),
        "2001:db8::1 peer 2001:db8::2/128 dev #2 scope global nodad valid_lft forever preferred_lft forever"
    );
    assert!(address.flags.contains(AddressFlags::PERMANENT));
}

#[test]
fn words_are_those_of_ip() {
    let address = v6().peer("2001:db8::2/128".parse().unwrap()).nodad().optimistic().proto(9);
    assert_eq!(
        address.to_string(),
        "2001:db8::1 peer 2001:db8::2/128 dev #5 scope global nodad optimistic proto 9"
    );
    let mut unknown = v4();
    unknown.flags = AddressFlags::from_bits_retain(0x8000_0080);
    unknown.scope = AddressScope::Other(42);
    assert_eq!(unknown.to_string(), "192.0.2.1/24 dev #5 scope 42 flags 0x80000000");
    assert_eq!(
        v4().request(AddressVerb::Replace).describe(),
        "replace address 192.0.2.1/24 dev #5 scope global"
    );
    assert_eq!(AddressFilter::default().list_request().describe(), "list addresses");
    let mut filter = AddressFilter::default();
    filter.index = Some(7);
    assert_eq!(filter.list_request().describe(), "list addresses dev #7");
}

#[test]
fn loopback_address_has_host_scope() {
    assert_eq!(Address::new("127.0.0.2/8".parse().unwrap(), 1).scope, AddressScope::Host);
    assert_eq!(Address::new("::1".parse().unwrap(), 1).scope, AddressScope::Global);
}

#[test]
fn default_broadcast_has_all_host_bits_set() {
    let broadcast = |prefix: &str| Address::new(prefix.parse().unwrap(), 5).default_broadcast().broadcast;
    assert_eq!(broadcast("192.0.2.1/24"), Some("192.0.2.255".parse().unwrap()));
    assert_eq!(broadcast("192.0.2.1/30"), Some("192.0.2.3".parse().unwrap()));
    assert_eq!(broadcast("10.0.0.1/0"), Some("255.255.255.255".parse().unwrap()));
    for none in ["192.0.2.1/31", "192.0.2.1", "2001:db8::1/64"] {
        assert_eq!(broadcast(none), None, "{none}");
    }
}

#[test]
fn key_ignores_what_can_be_changed() {
    let address = v6().valid_lft(Duration::from_secs(9)).home();
    assert_eq!(address.key(), v6().key());
    assert_eq!(v6().peer("2001:db8::2/64".parse().unwrap()).key(), v6().key());
    assert_ne!(v4().peer("192.0.2.9/24".parse().unwrap()).key(), v4().key());
    assert_eq!(address.without_ages(), v6().home());
    assert_eq!(v4().valid_lft(Lifetime::Forever).without_ages().valid, Some(Lifetime::Forever));
}

#[test]
fn addresses_of_other_families_are_left_out() {
    // AF_MCTP, with an address of one byte.
    let message = MessageRef::from_parts(RTM_NEWADDR, 0, &[45, 0, 0, 0, 1, 0, 0, 0, 5, 0, 2, 0, 9, 0, 0, 0]);
    assert_eq!(AddressEvent::decode(message).unwrap(), None);
    assert_eq!(Address::decode(message).unwrap_err().to_string(), "message type 20 was not expected here");
    let foreign = MessageRef::from_parts(16, 0, &[0; 16]);
    assert_eq!(AddressEvent::decode(foreign).unwrap(), None);
}

#[test]
fn impossible_addresses_are_refused_with_the_limit_in_the_text() {
    let add = |address: Address| refusal(address.request(AddressVerb::Add));
    let seconds = Duration::from_secs;
    let mut long = v4();
    long.prefix_len = 33;
    assert_eq!(add(long), "prefix 192.0.2.1/33; the length is 0 to 32");
    let mut long = v6();
    long.prefix_len = 129;
    assert_eq!(add(long), "prefix 2001:db8::1/129; the length is 0 to 128");
    let nowhere = Address::new("192.0.2.1/24".parse().unwrap(), 0);
    assert_eq!(add(nowhere.clone()), "interface index 0; the first one is 1");
    assert_eq!(refusal(nowhere.request(AddressVerb::Delete)), "interface index 0; the first one is 1");
    assert_eq!(
        add(v4().label("0123456789abcdef")),
        "label \"0123456789abcdef\" has 16 bytes; 1 to 15 are possible"
    );
    assert_eq!(add(v4().label("")), "label \"\" has 0 bytes; 1 to 15 are possible");
    assert_eq!(add(v6().label("x")), "label on an IPv6 address; only IPv4 addresses have one");
    assert_eq!(
        add(v6().broadcast("192.0.2.255".parse().unwrap())),
        "broadcast on an IPv6 address; only IPv4 addresses have one"
    );
    assert_eq!(
        add(v4().peer("2001:db8::2/64".parse().unwrap())),
        // The length is the peer's.
        "peer 2001:db8::2 of 192.0.2.1; both must be of IPv4 or of IPv6"
    );
    assert_eq!(add(v4().proto(0)), "proto 0; 1 to 255 are possible");
    assert_eq!(add(v4().valid_lft(seconds(0))), "valid_lft 0; at least 1 second is possible");
    let text = "preferred_lft 60; valid_lft 50 is the limit";
    assert_eq!(add(v4().valid_lft(seconds(50)).preferred_lft(seconds(60))), text);
    let text = "preferred_lft forever; valid_lft 50 is the limit";
    assert_eq!(add(v4().valid_lft(seconds(50)).preferred_lft(Lifetime::Forever)), text);
    let text = "valid_lft 1.5s; whole seconds up to 4294967294, or forever, are possible";
    assert_eq!(add(v4().valid_lft(Duration::from_millis(1500))), text);
    let text = "preferred_lft 4294967295; whole seconds up to 4294967294, or forever, are possible";
    assert_eq!(add(v4().preferred_lft(seconds(u32::MAX.into()))), text);
    v4().valid_lft(seconds(u32::MAX as u64 - 1)).request(AddressVerb::Add).encoded().unwrap();
    v4().label("0123456789abcde").request(AddressVerb::Add).encoded().unwrap();
}

#[test]
fn impossible_filters_are_refused() {
    let mut filter = AddressFilter::default();
    filter.index = Some(0);
    assert_eq!(refusal(filter.list_request()), "interface index 0; the first one is 1");
    filter.index = None;
    filter.label = Some("x".repeat(16));
    assert!(refusal(filter.list_request()).ends_with("1 to 15 are possible"));
}

#[cfg(feature = "serde")]
#[test]
fn an_address_is_serialized_with_its_bits_as_a_number() {
    let value = serde_json::to_value(v4().noprefixroute().valid_lft(Lifetime::Forever)).unwrap();
    assert_eq!(value["local"], "192.0.2.1");
    assert_eq!(value["flags"], 0x200);
    assert_eq!(value["scope"], "Global");
    assert_eq!(value["valid"], "Forever");
}
