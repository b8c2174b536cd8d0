//! `Serialize`: what is read can be printed as JSON. `Deserialize`: the flags of a configuration.

use nl_core::message::MessageRef;
use nl_mptcp::endpoint::{Endpoint, EndpointFlags};
use nl_mptcp::event::MptcpEvent;
use nl_mptcp::limits::Limits;
use nl_mptcp::subflow::Subflow;
use serde_json::{from_value, json, to_value};

use crate::{FAMILY, attributes};

#[test]
fn decoded_types_serialize_to_json() {
    let endpoint = Endpoint::new("192.0.2.1".parse().unwrap()).id(5).signal().port(80);
    assert_eq!(
        to_value(&endpoint).unwrap(),
        json!({ "address": "192.0.2.1", "id": 5, "port": 80, "flags": 1, "index": null })
    );
    assert_eq!(to_value(Limits::default()).unwrap(), json!({ "add_addr_accepted": 0, "subflows": 2 }));
    let subflow = Subflow::new("10.0.0.1:0".parse().unwrap(), "10.0.0.2:80".parse().unwrap()).id(5);
    assert_eq!(
        to_value(&subflow).unwrap(),
        json!({ "local": "10.0.0.1:0", "remote": "10.0.0.2:80", "id": 5, "backup": false, "index": null })
    );
    let payload = [&[3, 1, 0, 0][..], &attributes(&[(1, &0x0a1b_2c3d_u32.to_ne_bytes())])].concat();
    let closed = MptcpEvent::decode(FAMILY, MessageRef::from_parts(FAMILY, 0, &payload)).unwrap().unwrap();
    assert_eq!(to_value(&closed).unwrap(), json!({ "Closed": { "token": "0a1b2c3d" } }));
}

#[test]
fn flags_of_endpoints_are_read_from_words_lists_and_numbers() {
    let flags = EndpointFlags::SUBFLOW | EndpointFlags::BACKUP;
    assert_eq!(flags.to_string(), "subflow backup");
    for value in [json!("subflow backup"), json!("backup,subflow"), json!(["backup", "subflow"]), json!(6)] {
        assert_eq!(from_value::<EndpointFlags>(value.clone()).unwrap(), flags, "{value}");
    }
    let odd = EndpointFlags::SIGNAL | EndpointFlags::from_bits_retain(0x8000_0000);
    assert_eq!((odd.to_string().as_str(), odd.to_string().parse().unwrap()), ("signal 0x80000000", odd));
    for all in [EndpointFlags::empty(), EndpointFlags::from_bits_retain(u32::MAX)] {
        assert_eq!(all.to_string().parse::<EndpointFlags>().unwrap(), all);
        assert_eq!(from_value::<EndpointFlags>(to_value(all).unwrap()).unwrap(), all);
    }
    let error = from_value::<EndpointFlags>(json!(["subflow", "fast"])).unwrap_err();
    assert!(error.to_string().contains("flag \"fast\"; signal, subflow, backup"), "{error}");
    for bad in [json!(-1), json!(1_u64 << 32), json!(true), json!([6])] {
        assert!(from_value::<EndpointFlags>(bad.clone()).is_err(), "{bad}");
    }
}
