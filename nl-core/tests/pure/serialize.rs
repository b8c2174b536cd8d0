//! What descriptions are made of is read back as it was written, and nothing else is.

use nl_core::attr::{AttrBuf, Attrs, RawAttrs};
use nl_core::{Dev, IpPrefix, MacAddr};
use serde_json::{from_value, json, to_value};

#[test]
fn prefixes_devices_and_mac_addresses_are_read_as_they_are_written() {
    for text in ["192.0.2.0/24", "2001:db8::/32", "::/0"] {
        let prefix: IpPrefix = text.parse().unwrap();
        assert_eq!(from_value::<IpPrefix>(to_value(prefix).unwrap()).unwrap(), prefix);
    }
    assert_eq!(from_value::<IpPrefix>(json!("2001:db8::1")).unwrap().len(), 128);
    let error = from_value::<IpPrefix>(json!("192.0.2.0/33")).unwrap_err();
    assert!(error.to_string().contains("the length is 0 to 32"), "{error}");

    let mac: MacAddr = "02:00:00:00:00:01".parse().unwrap();
    assert_eq!(from_value::<MacAddr>(to_value(mac).unwrap()).unwrap(), mac);
    assert!(from_value::<MacAddr>(json!("2:0:0:0:0:1")).unwrap_err().to_string().contains("six two-digit"));

    for dev in [Dev::from(5), Dev::from("eth0")] {
        assert_eq!(from_value::<Dev>(to_value(&dev).unwrap()).unwrap(), dev);
    }
    for bad in [json!(0), json!(""), json!("a/b"), json!(true)] {
        assert!(from_value::<Dev>(bad.clone()).is_err(), "{bad}");
    }
}

#[cfg(feature = "route")]
#[test]
fn protocols_are_read_as_words_and_as_numbers() {
    use nl_core::route::RouteProtocol;

    for number in 0..=u8::MAX {
        let protocol = RouteProtocol(number);
        assert_eq!(from_value::<RouteProtocol>(to_value(protocol).unwrap()).unwrap(), protocol);
        assert_eq!(from_value::<RouteProtocol>(json!(number)).unwrap(), protocol);
    }
    let error = from_value::<RouteProtocol>(json!("nobody")).unwrap_err();
    assert!(error.to_string().contains("0 to 255"), "{error}");
}

#[test]
fn attributes_kept_as_they_are_are_read_back() {
    let mut buf = AttrBuf::new();
    buf.writer().u32(200, 7).bytes(201, b"odd");
    let bytes = buf.finish().unwrap();
    let mut kept = RawAttrs::new();
    for attr in Attrs::new(&bytes) {
        kept.push(attr.unwrap());
    }
    let json = to_value(&kept).unwrap();
    assert_eq!(from_value::<RawAttrs>(json).unwrap(), kept);
    assert_eq!(from_value::<RawAttrs>(json!([])).unwrap(), RawAttrs::new());
    let long = json!([(200, vec![0; 65_532])]);
    assert!(from_value::<RawAttrs>(long).unwrap_err().to_string().contains("0 to 65531"));
}
