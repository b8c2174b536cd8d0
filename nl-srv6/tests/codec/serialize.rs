//! `Serialize`: what is read can be printed as JSON, without secrets.

use nl_core::attr::AttrBuf;
use nl_core::message::MessageRef;
use nl_core::route::RouteProtocol;
use nl_srv6::encap::Seg6;
use nl_srv6::hmac::HmacKey;
use nl_srv6::policy::{CandidatePath, PacketMark, Policy, PolicySet, SegmentList};
use nl_srv6::sid::{Flavors, Seg6Local, SidAction};
use nl_srv6::srh::{Srh, Tlv};
use nl_srv6::usid::UsidBlock;
use serde_json::{Value, from_value, json, to_value};

use crate::commands::{actions, addr, segments};

#[test]
fn decoded_types_serialize_to_json() {
    let seg6 = to_value(Seg6::encap_red(segments(2)).hmac(42)).unwrap();
    assert_eq!(seg6["mode"], "encap.red");
    assert_eq!(seg6["srh"]["segments"], json!(["fcbb:0:1::", "fcbb:0:2::"]));
    assert_eq!(seg6["srh"]["tlvs"][0]["Hmac"]["key"], 42);
    let local =
        Seg6Local::new(SidAction::EndX { nh6: addr("2001:db8::1") }).flavors(Flavors::next_csid(32, 16));
    let local = to_value(local.counters()).unwrap();
    assert_eq!(local["action"], json!({ "EndX": { "nh6": "2001:db8::1" } }));
    assert_eq!(local["flavors"], json!({ "ops": 16, "block_bits": 32, "node_function_bits": 16 }));
    assert_eq!(local["counters"], json!({ "packets": 0, "bytes": 0, "errors": 0 }));
    assert_eq!(
        to_value(SidAction::EndDx2 { oif: "d1".into() }).unwrap(),
        json!({ "EndDx2": { "oif": "d1" } })
    );
    assert_eq!(to_value(Srh::new(segments(1))).unwrap()["segments_left"], 0);
    let block = UsidBlock::new("fcbb::/32".parse().unwrap(), 16).unwrap();
    assert_eq!(to_value(block.sid(0xb).unwrap()).unwrap(), 11);
}

#[test]
fn secret_is_not_serialized() {
    let mut attrs = AttrBuf::new();
    attrs.writer().u32(3, 42).u8(5, 4).u8(6, 2).bytes(4, b"lock");
    let payload = [&[2, 1, 0, 0][..], &attrs.finish().unwrap()].concat();
    let key = HmacKey::decode(MessageRef::from_parts(30, 0, &payload)).unwrap();
    assert_eq!(key.secret.expose(), b"lock");
    assert_eq!(to_value(&key).unwrap(), json!({ "id": 42, "algorithm": "sha256" }));
    assert_eq!(key.to_string(), "hmac 42 algo sha256");
    assert!(!format!("{key:?}").contains("lock"));
}

#[test]
fn encapsulations_are_read_as_they_are_written() {
    let padded = Srh::new(segments(2)).tag(7).tlv(Tlv::Other { kind: 4, value: vec![0; 2] }).hmac(42);
    let mut all = vec![
        Seg6::encap(segments(3)),
        Seg6::inline(segments(1)),
        Seg6::l2encap_red(segments(2)).source(addr("2001:db8::1")),
    ];
    let mut other = Seg6::encap_red(segments(2));
    (other.srh, other.overwritten) = (padded, Some(addr("fcbb:0:9::")));
    all.push(other);
    for seg6 in all {
        assert_eq!(from_value::<Seg6>(to_value(&seg6).unwrap()).unwrap(), seg6);
    }
    for (local, words) in actions() {
        assert_eq!(from_value::<Seg6Local>(to_value(&local).unwrap()).unwrap(), local, "{words}");
    }
    let end_x = Seg6Local::new(SidAction::EndX { nh6: addr("fe80::1") }).oif(5);
    assert_eq!(from_value::<Seg6Local>(to_value(&end_x).unwrap()).unwrap(), end_x);
    assert_eq!(from_value::<Seg6Local>(json!({ "action": "End" })).unwrap(), Seg6Local::new(SidAction::End));
    let counted = json!({ "action": "End", "counters": {} });
    assert_eq!(from_value::<Seg6Local>(counted).unwrap(), Seg6Local::from(SidAction::End).counters());
    for typo in
        [json!({ "action": "End", "counter": {} }), json!({ "action": "End", "counters": { "packet": 1 } })]
    {
        assert!(
            from_value::<Seg6Local>(typo.clone()).unwrap_err().to_string().contains("unknown field"),
            "{typo}"
        );
    }

    let short = json!({ "mode": "encap", "segments": ["fcbb:0:1::", "fcbb:0:2::"], "hmac": 42 });
    assert_eq!(from_value::<Seg6>(short).unwrap(), Seg6::encap(segments(2)).hmac(42));
    for bad in [
        json!({ "mode": "encap" }),
        json!({ "mode": "encap", "segments": [], "srh": { "segments": [] } }),
        json!({ "mode": "inlined", "segments": ["fcbb:0:1::"] }),
        json!({ "mode": "encap", "segments": ["fcbb:0:1::"], "hmac_key": 1 }),
    ] {
        assert!(from_value::<Seg6>(bad.clone()).is_err(), "{bad}");
    }
}

fn set() -> PolicySet {
    let policy = Policy::new(100, addr("fcbb:0:d::"))
        .path(CandidatePath::new(200).list(SegmentList::new(Seg6::encap(segments(2))).weight(3).valid(false)))
        .path(CandidatePath::new(100).list(Seg6::encap_red(segments(1))))
        .binding_sid("fcbb:0:a:b100::".parse().unwrap())
        .prefix("2001:db8:2::/48".parse().unwrap())
        .prefix("10.2.0.0/16".parse().unwrap())
        .table(77)
        .metric(9)
        .id(5001)
        .mark(PacketMark::masked(0x100, 0xff00))
        .drop_upon_invalid();
    PolicySet::new("eth0", 5000..=5999, RouteProtocol(200)).rules_at(1000).policy(policy).exact()
}

#[test]
fn policies_are_read_as_they_are_written() {
    assert_eq!(from_value::<PolicySet>(to_value(set()).unwrap()).unwrap(), set());
    let description = json!({
        "dev": 3, "ids": { "start": 5000, "end": 5999 }, "protocol": "bgp",
        "policies": [{
            "color": 1, "endpoint": "::", "prefixes": ["2001:db8:2::/48"],
            "paths": [{ "preference": 100, "lists": [{ "path": { "mode": "encap", "segments": ["fcbb:0:1::"] } }] }],
        }],
    });
    let policy = Policy::new(1, addr("::"))
        .path(CandidatePath::new(100).list(Seg6::encap(segments(1))))
        .prefix("2001:db8:2::/48".parse().unwrap());
    let expected = PolicySet::new(3, 5000..=5999, RouteProtocol::BGP).policy(policy);
    assert_eq!(from_value::<PolicySet>(description).unwrap(), expected);
}

#[test]
fn descriptions_that_cannot_be_applied_are_refused_with_the_limit() {
    let refused = |change: fn(&mut Value)| {
        let mut json = to_value(set()).unwrap();
        change(&mut json);
        from_value::<PolicySet>(json).unwrap_err().to_string()
    };
    let weight = refused(|json| json["policies"][0]["paths"][0]["lists"][0]["weight"] = json!(0));
    assert!(weight.contains("weight 0; 1 to 65535 are possible"), "{weight}");
    let segments =
        refused(|json| json["policies"][0]["paths"][0]["lists"][0]["path"]["srh"]["segments"] = json!([]));
    assert!(segments.contains("no segments"), "{segments}");
    let prefix = refused(|json| json["policies"][0]["prefixes"][0] = json!("2001:db8:2::1/48"));
    assert!(prefix.contains("bits set behind its length"), "{prefix}");
    let ids = refused(|json| json["ids"]["start"] = json!(0));
    assert!(ids.contains("a range from 1 on is needed"), "{ids}");
    let typo = refused(|json| json["policies"][0]["colour"] = json!(1));
    assert!(typo.contains("unknown field `colour`"), "{typo}");
    let mark = refused(|json| json["policies"][0]["mark"]["value"] = json!(0));
    assert!(mark.contains("mark 0, which every packet without a mark has"), "{mark}");
    let priority = refused(|json| json["rule_priority"] = json!(null));
    assert!(priority.contains("a mark without the priority of the set's rules"), "{priority}");
    let dev = refused(|json| json["dev"] = json!("a/b"));
    assert!(dev.contains("invalid interface name"), "{dev}");
}
