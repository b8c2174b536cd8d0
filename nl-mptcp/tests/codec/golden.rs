//! Bytes that a kernel accepted, little-endian as captured.

use nl_mptcp::endpoint::{Endpoint, EndpointVerb};

use crate::unhex;

/// `ip mptcp endpoint add 10.0.1.2 id 7 subflow dev #3`, as 6.18 took it: what follows the netlink header.
const ADD: &str = "01010000 2c000180 06000100 02000000 08000300 0a000102 05000200 07000000 08000600 02000000 \
                   08000700 03000000";

#[test]
fn adding_an_endpoint_has_the_bytes_the_kernel_took() {
    let endpoint = Endpoint::new("10.0.1.2".parse().unwrap()).id(7).subflow().index(3);
    let mut request = endpoint.request(0x20, EndpointVerb::Add);
    assert_eq!(request.encoded().unwrap()[16..], unhex(ADD));
}
