//! Filters of u32: tables, links and what is counted from the next header.

use nl_core::message::MessageRef;
use nl_tc::filter::{
    Filter, FilterConfig, Flower, FlowerKey, IPV4, Matchall, Offload, U32, U32Key, U32Offset, U32Table,
};
use nl_tc::{TcHandle, TcVerb};

use crate::refused;

const QDISC: TcHandle = TcHandle::new(1, 0);
const CLASS: TcHandle = TcHandle::new(1, 0x10);

fn filter(config: impl Into<FilterConfig>) -> Filter {
    Filter::new(2, QDISC, config).priority(5).protocol(IPV4)
}

fn round_trips(config: impl Into<FilterConfig>, words: &str) {
    let filter = filter(config);
    let mut request = filter.request(TcVerb::Add);
    let bytes = request.encoded().unwrap().to_vec();
    let read = Filter::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
    assert_eq!(read, filter);
    assert_eq!(read.request(TcVerb::Add).encoded().unwrap(), bytes);
    assert!(filter.config.is_met_by(&read.config));
    assert_eq!(filter.config.to_string(), words);
}

#[test]
fn tables_links_and_next_headers_round_trip() {
    round_trips(U32Table::new(256), "u32 divisor 256");
    let tcp = U32Key::at(8, 6 << 16, 0xff << 16);
    let link = U32::linking(U32Table::number(2), [tcp]).offset(U32Offset::IPV4).hash_key(0xffff, 0);
    round_trips(
        link,
        "u32 match u32 0x60000 0xff0000 at 8 link 2: offset mask 0f00 at 0 shift 6 hashkey mask 0x0000ffff at 0",
    );
    let port = U32Key::at_nexthdr(0, 443, 0xffff);
    round_trips(
        U32::new(CLASS, [port]).table(U32Table::bucket(2, 0x1f)),
        "u32 ht 2:1f: match u32 0x1bb 0xffff at nexthdr+0 classid 1:10",
    );
    let offset = U32Offset { plus: 20, mask: 0, at: 0, shift: 0, eat: true };
    round_trips(U32::linking(U32Table::number(3), []).offset(offset), "u32 link 3: offset plus 20 eat");
    round_trips(U32::all(CLASS).indev("eth1").mark(7, 0xff), {
        "u32 match u32 0x0 0x0 at 0 match mark 0x7 0xff indev eth1 classid 1:10"
    });
}

/// `u32 link 2: offset at 0 mask 0f00 shift 6 match ip protocol 6 0xff`, by `struct tc_u32_sel` of `include/uapi/linux/pkt_cls.h`.
#[test]
fn selector_of_a_link_has_the_layout_of_the_kernel() {
    let tcp = U32Key::at(8, 6 << 16, 0xff << 16);
    let link = U32::linking(U32Table::number(2), [tcp]).offset(U32Offset::IPV4);
    let mut request = filter(link).request(TcVerb::Add);
    let bytes = request.encoded().unwrap();
    // A variable offset, shifted by 6, one key, the mask in network order.
    let selector = [4, 6, 1, 0, 0x0f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 6, 0, 0];
    assert!(bytes.windows(selector.len()).any(|window| window == selector), "{bytes:x?}");
}

#[test]
fn what_u32_cannot_do_is_refused() {
    let on = |config: FilterConfig| refused(filter(config).request(TcVerb::Add));
    assert!(on(U32Table::new(3).into()).ends_with("divisor 3; powers of two up to 256 are possible"));
    assert!(on(U32Table::new(512).into()).ends_with("divisor 512; 1 to 256 are possible"));
    assert!(on(U32::all(CLASS).table(1).into()).contains("table 0x1; a table and a bucket"));
    let bucket = U32::linking(U32Table::bucket(2, 1), []);
    assert!(on(bucket.into()).ends_with("link 0x201000; a table without a bucket is possible"));
    let linkless = U32::all(CLASS).offset(U32Offset::IPV4);
    assert!(on(linkless.into()).ends_with("an offset or a hash key without a link"));
    let long = U32::all(CLASS).indev("a_name_of_16_byt");
    assert!(on(long.into()).ends_with("length of the name of a device 16; 1 to 15 are possible"));
}

#[test]
fn where_a_filter_is_carried_out_round_trips() {
    round_trips(Matchall::new(CLASS).offload(Offload::SkipHw), "matchall skip_hw classid 1:10");
    round_trips(U32::all(CLASS).offload(Offload::SkipSw), "u32 match u32 0x0 0x0 at 0 skip_sw classid 1:10");
    let flower = Flower::ipv4().key(FlowerKey::IpProto(6)).classid(CLASS).offload(Offload::SkipHw);
    let mut request = filter(flower.clone()).request(TcVerb::Add);
    let read = Filter::decode(MessageRef::parse(request.encoded().unwrap()).unwrap()).unwrap();
    assert!(FilterConfig::from(flower.clone()).is_met_by(&read.config));
    assert!(!FilterConfig::from(flower.offload(Offload::Both)).is_met_by(&read.config));
}
