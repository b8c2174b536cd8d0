//! Every refusal and its text.

use nl_core::Request;
use nl_mptcp::Token;
use nl_mptcp::connection::{get_request, list_request, withdraw_request};
use nl_mptcp::endpoint::{Endpoint, EndpointFlags, EndpointVerb};
use nl_mptcp::limits::Limits;
use nl_mptcp::subflow::{Subflow, SubflowVerb};

use crate::FAMILY;

const TOKEN: Token = Token::new(0x0a1b_2c3d);

fn refusal(mut request: Request) -> String {
    let error = request.encoded().unwrap_err();
    assert!(error.is_usage(), "{error}");
    error.to_string()
}

fn v4() -> Endpoint {
    Endpoint::new("192.0.2.1".parse().unwrap())
}

#[test]
fn invalid_endpoint_is_refused() {
    use EndpointVerb::{Add, Change, Delete, Get};
    for (endpoint, verb, text) in [
        (
            v4(),
            Delete,
            "delete mptcp endpoint: an endpoint is selected by its id, 1 to 255: the kernel uses id 0 for something else",
        ),
        (
            v4(),
            Get,
            "get mptcp endpoint: an endpoint is selected by its id, 1 to 255: the kernel uses id 0 for something else",
        ),
        (v4().port(0), Add, "add mptcp endpoint 192.0.2.1: port 0; leave the port out, or give 1 to 65535"),
        (
            v4().port(0),
            Change,
            "change mptcp endpoint 192.0.2.1: port 0; leave the port out, or give 1 to 65535",
        ),
        (v4().index(0), Add, "add mptcp endpoint 192.0.2.1: interface index 0; the first one is 1"),
        (
            v4().index(1 << 31),
            Add,
            "add mptcp endpoint 192.0.2.1 dev #2147483648: interface index 2147483648; the largest is 2147483647",
        ),
        (
            v4().flags(EndpointFlags::IMPLICIT),
            Add,
            "add mptcp endpoint 192.0.2.1 implicit: only the kernel sets the implicit flag",
        ),
        (
            v4().port(80),
            Add,
            "add mptcp endpoint 192.0.2.1 port 80: a port is announced: it needs signal, and excludes subflow",
        ),
        (
            v4().port(80).signal().subflow(),
            Add,
            "add mptcp endpoint 192.0.2.1 port 80 signal subflow: a port is announced: it needs signal, and excludes subflow",
        ),
    ] {
        assert_eq!(refusal(endpoint.request(FAMILY, verb)), text);
    }
}

/// Some kernels allow it, so the kernel decides.
#[test]
fn signal_with_fullmesh_is_left_to_the_kernel() {
    for verb in [EndpointVerb::Add, EndpointVerb::Change] {
        let mut request = v4().signal().fullmesh().request(FAMILY, verb);
        assert!(request.encoded().is_ok(), "{verb}");
    }
}

#[test]
fn invalid_announcement_is_refused() {
    let text = refusal(v4().announce_request(FAMILY, TOKEN));
    let expected = "announce mptcp address 192.0.2.1 signal token 0a1b2c3d: an address is announced with an id, 1 to 255: 0 is the \
                    initial subflow's";
    assert_eq!(text, expected);
    assert!(refusal(v4().id(5).port(0).announce_request(FAMILY, TOKEN)).contains("port 0"));
}

#[test]
fn invalid_subflow_is_refused() {
    use SubflowVerb::{Change, Create, Destroy};
    let subflow = |local: &str, remote: &str| Subflow::new(local.parse().unwrap(), remote.parse().unwrap());
    for (subflow, verb, word) in [
        (subflow("10.0.0.1:0", "10.0.0.2:80"), Create, "id of its local address, 1 to 255"),
        (subflow("10.0.0.1:0", "10.0.0.2:0").id(5), Create, "remote port 0"),
        (
            subflow("10.0.0.1:0", "[2001:db8::1]:80").id(5),
            Create,
            "IPv4 or IPv6 at both ends, not 10.0.0.1 to 2001:db8::1",
        ),
        (subflow("[::ffff:10.0.0.1]:0", "[2001:db8::1]:80").id(5), Create, "IPv4 or IPv6 at both ends"),
        (subflow("10.0.0.1:0", "10.0.0.2:80").id(5).index(0), Create, "interface index 0"),
        (subflow("10.0.0.1:0", "10.0.0.2:80"), Destroy, "both ports"),
        (subflow("10.0.0.1:1", "10.0.0.2:0"), Destroy, "both ports"),
        (subflow("10.0.0.1:1", "[2001:db8::1]:80"), Change, "IPv4 or IPv6 at both ends"),
    ] {
        let text = refusal(subflow.request(FAMILY, TOKEN, verb));
        assert!(text.contains(word), "{word}: {text}");
        assert!(
            text.starts_with(&format!("{verb} mptcp subflow")) && text.contains("token 0a1b2c3d"),
            "{text}"
        );
    }
    let link = |local: &str, remote: &str| subflow(local, remote).id(5);
    for (subflow, words) in [
        (link("[fe80::1%2]:0", "[fe80::2%3]:80"), "fe80::1%2 to fe80::2%3 are different ones"),
        (link("[fe80::1%2]:0", "[fe80::2]:80").index(3), "fe80::1%2 to fe80::2 dev #3 are different ones"),
        (link("[fe80::1]:0", "[fe80::2%2]:80").index(3), "fe80::1 to fe80::2%2 dev #3 are different ones"),
    ] {
        let text = refusal(subflow.request(FAMILY, TOKEN, Create));
        assert!(text.contains(words), "{words}: {text}");
    }
    // One address written in two ways is of one family.
    let mapped = subflow("[::ffff:10.0.0.1]:0", "10.0.0.2:80").id(5);
    assert!(mapped.request(FAMILY, TOKEN, Create).encoded().is_ok());
}

/// Three ways to write one request.
#[test]
fn scope_of_an_address_is_the_interface() {
    let bytes = |subflow: Subflow| {
        let mut request = subflow.id(5).request(FAMILY, TOKEN, SubflowVerb::Create);
        request.encoded().unwrap().to_vec()
    };
    let subflow = |local: &str, remote: &str| Subflow::new(local.parse().unwrap(), remote.parse().unwrap());
    let by_index = bytes(subflow("[fe80::1]:0", "[fe80::2]:80").index(3));
    assert_eq!(bytes(subflow("[fe80::1%3]:0", "[fe80::2]:80")), by_index);
    assert_eq!(bytes(subflow("[fe80::1]:0", "[fe80::2%3]:80")), by_index);
    assert_eq!(bytes(subflow("[fe80::1%3]:0", "[fe80::2%3]:80").index(3)), by_index);
    let shown = subflow("[fe80::1%3]:0", "[fe80::2%3]:80").id(5).to_string();
    assert_eq!(shown, "fe80::1%3 id 5 to [fe80::2%3]:80");
}

#[test]
fn set_limits_without_a_limit_is_refused() {
    assert!(
        refusal(Limits::set_request(FAMILY, None, None)).starts_with("set mptcp limits: no limit is given")
    );
}

/// What an error about each of them begins with.
#[test]
fn every_request_is_described() {
    let subflow = Subflow::new("10.0.0.1:7".parse().unwrap(), "10.0.0.2:80".parse().unwrap()).id(5).backup();
    for (request, text) in [
        (
            v4().id(7).index(3).subflow().request(FAMILY, EndpointVerb::Add),
            "add mptcp endpoint 192.0.2.1 id 7 subflow dev #3",
        ),
        (v4().id(7).backup().request(FAMILY, EndpointVerb::Change), "change mptcp endpoint id 7 backup"),
        (v4().id(7).request(FAMILY, EndpointVerb::Delete), "delete mptcp endpoint id 7"),
        (v4().id(7).request(FAMILY, EndpointVerb::Get), "get mptcp endpoint id 7"),
        (Endpoint::list_request(FAMILY), "list mptcp endpoints"),
        (Endpoint::flush_request(FAMILY), "flush mptcp endpoints"),
        (v4().drop_initial_request(FAMILY), "drop the initial subflows of mptcp endpoint 192.0.2.1"),
        (Limits::get_request(FAMILY), "get mptcp limits"),
        (Limits::set_request(FAMILY, Some(1), Some(2)), "set mptcp limits add_addr_accepted 1 subflows 2"),
        (
            v4().id(5).port(80).announce_request(FAMILY, TOKEN),
            "announce mptcp address 192.0.2.1 port 80 id 5 signal token 0a1b2c3d",
        ),
        (withdraw_request(FAMILY, TOKEN, 5.into()), "withdraw mptcp address id 5 token 0a1b2c3d"),
        (get_request(FAMILY, TOKEN, 5.into()), "get mptcp address id 5 token 0a1b2c3d"),
        (list_request(FAMILY, TOKEN), "list mptcp addresses token 0a1b2c3d"),
        (
            subflow.request(FAMILY, TOKEN, SubflowVerb::Create),
            "create mptcp subflow 10.0.0.1:7 id 5 to 10.0.0.2:80 backup token 0a1b2c3d",
        ),
        (
            subflow.request(FAMILY, TOKEN, SubflowVerb::Destroy),
            "destroy mptcp subflow 10.0.0.1:7 to 10.0.0.2:80 token 0a1b2c3d",
        ),
        (
            subflow.request(FAMILY, TOKEN, SubflowVerb::Change),
            "change mptcp subflow 10.0.0.1:7 to 10.0.0.2:80 backup token 0a1b2c3d",
        ),
    ] {
        let mut request = request;
        assert!(request.encoded().is_ok(), "{text}");
        let mut request = request.invalid_if(Err("no".into()));
        assert_eq!(
            refusal(std::mem::replace(&mut request, Endpoint::list_request(FAMILY))),
            format!("{text}: no")
        );
    }
}
