//! `Serialize`: what is read can be printed as JSON, without secrets.

use nl_core::attr::AttrBuf;
use nl_core::message::MessageRef;
use nl_srv6::encap::Seg6;
use nl_srv6::hmac::HmacKey;
use nl_srv6::sid::{Flavors, Seg6Local, SidAction};
use nl_srv6::srh::Srh;
use nl_srv6::usid::UsidBlock;
use serde_json::{json, to_value};

use crate::commands::{addr, segments};

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
