//! `Serialize`: what is read can be printed as JSON.

use nl_core::message::MessageRef;
use nl_mptcp::endpoint::Endpoint;
use nl_mptcp::event::MptcpEvent;
use nl_mptcp::limits::Limits;
use nl_mptcp::subflow::Subflow;
use serde_json::json;

use crate::FAMILY;

#[test]
fn decoded_types_serialize_to_json() {
    let endpoint = Endpoint::new("192.0.2.1".parse().unwrap()).id(5).signal().port(80);
    assert_eq!(
        serde_json::to_value(&endpoint).unwrap(),
        json!({ "address": "192.0.2.1", "id": 5, "port": 80, "flags": 1, "index": null })
    );
    assert_eq!(
        serde_json::to_value(Limits::default()).unwrap(),
        json!({ "add_addr_accepted": 0, "subflows": 2 })
    );
    let subflow = Subflow::new("10.0.0.1:0".parse().unwrap(), "10.0.0.2:80".parse().unwrap()).id(5);
    assert_eq!(
        serde_json::to_value(&subflow).unwrap(),
        json!({ "local": "10.0.0.1:0", "remote": "10.0.0.2:80", "id": 5, "backup": false, "index": null })
    );
    let payload = [3, 1, 0, 0, 8, 0, 1, 0, 0x3d, 0x2c, 0x1b, 0x0a];
    let closed = MptcpEvent::decode(FAMILY, MessageRef::from_parts(FAMILY, 0, &payload)).unwrap().unwrap();
    let expected = if cfg!(target_endian = "little") { "0a1b2c3d" } else { "3d2c1b0a" };
    assert_eq!(serde_json::to_value(&closed).unwrap(), json!({ "Closed": { "token": expected } }));
}
