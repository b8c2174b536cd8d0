//! What is wrong between nodes is found in the facts of all, and packets arrive once the command that mends it was run.

use nl_core::route::RouteProtocol;
use nl_srv6::doctor::{Doctor, Facts, Finding, Needs, diagnose};
use nl_srv6::encap::Seg6;
use nl_srv6::hmac::{HmacAlgorithm, HmacKeys, HmacSecret};
use nl_srv6::policy::{CandidatePath, Policy, PolicySet};
use nl_testkit::{Lab, Node, Result};

use crate::commands::addr;
use crate::doctor::run;
use crate::support::{Network, SOON, generic, is_plain, network, open};

const TO: &str = "2001:db8:2::/64";
const B: &str = "fcbb:0:b::";
/// A transit SID of the last router, and one that decapsulates.
const TRANSIT: &str = "fcbb:0:d:e::";
const LAST: &str = "fcbb:0:d:1::";

async fn facts(node: &Node) -> Result<Facts> {
    let facts = Doctor::new(open(node).await?).facts().await?.named(node.name());
    // As the facts of one node come to another.
    #[cfg(feature = "serde")]
    let facts = serde_json::from_str(&serde_json::to_string(&facts)?)?;
    Ok(facts)
}

async fn findings(net: &Network) -> Result<Vec<Finding>> {
    Ok(diagnose(&[facts(&net.a).await?, facts(&net.b).await?, facts(&net.d).await?]))
}

async fn steer(net: &Network, segments: &[&str]) {
    let segments = segments.join(",");
    net.a.ip(&format!("-6 route replace {TO} encap seg6 mode encap segs {segments} dev b")).await;
}

async fn arrives(net: &Network) -> Result {
    let mut capture = net.c2.capture("eth0").await?;
    net.send("[2001:db8:2::1]:5000", 1).await;
    capture.expect(is_plain, SOON).await;
    Ok(())
}

/// A network in which packets arrive along two segments.
async fn sound(lab: &Lab) -> Result<Network> {
    let net = network(lab).await?;
    net.b.ip(&format!("-6 route add {B} encap seg6local action End dev a")).await;
    net.d.ip(&format!("-6 route add {TRANSIT} encap seg6local action End dev b")).await;
    net.d.ip(&format!("-6 route add {LAST} encap seg6local action End.DX6 nh6 2001:db8:2::1 dev b")).await;
    steer(&net, &[B, LAST]).await;
    assert_eq!(findings(&net).await?, []);
    arrives(&net).await?;
    Ok(net)
}

/// The only finding has this in its line; with the printed command, in which a word is replaced, packets arrive.
async fn is_found_and_mended(net: &Network, part: &str, (word, by): (&str, &str)) -> Result {
    let all = findings(net).await?;
    let [finding] = &all[..] else { unreachable!("{part}: {all:#?}") };
    assert!(finding.to_string().contains(part), "{part}: {finding}");
    assert_eq!((finding.node.as_str(), finding.fault.needs()), ("a", Needs::SeveralNodes), "{finding}");
    let node = [&net.a, &net.b, &net.d].into_iter().find(|node| node.name() == finding.mend_on()).unwrap();
    run(node, &finding.mend().unwrap().replace(word, by)).await?;
    assert_eq!(findings(net).await?, [], "{part}");
    arrives(net).await
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 120)]
async fn printed_command_mends_each_fault_between_nodes(lab: Lab) -> Result {
    const AS_IT_IS: (&str, &str) = ("", "");
    let net = sound(&lab).await?;
    steer(&net, &[B, TRANSIT]).await;
    let part = "the last segment fcbb:0:d:e:: does not decapsulate at d";
    is_found_and_mended(&net, part, AS_IT_IS).await?;

    // IPv4 to a SID for IPv6, where the node has one for IPv4 too.
    net.d.ip("-6 route add fcbb:0:d:4:: encap seg6local action End.DX4 nh4 10.2.0.1 dev b").await;
    net.a.ip(&format!("route add 10.2.0.0/24 encap seg6 mode encap segs {B},{LAST} dev b")).await;
    let part = "the last segment fcbb:0:d:1:: takes no IPv4 packets at d";
    is_found_and_mended(&net, part, AS_IT_IS).await?;
    let mut capture = net.c2.capture("eth0").await?;
    net.send("10.2.0.1:5000", 1).await;
    capture.expect(is_plain, SOON).await;
    net.a.ip("route del 10.2.0.0/24").await;

    steer(&net, &[LAST, B]).await;
    is_found_and_mended(&net, "the list is in reverse", AS_IT_IS).await?;

    steer(&net, &[B, LAST, TRANSIT]).await;
    let part = "segment fcbb:0:d:1:: decapsulates at d, and 1 segments are left";
    is_found_and_mended(&net, part, AS_IT_IS).await?;

    net.b.ip("-6 route del fcbb:0:d::/48").await;
    let part = "no route leads to segment fcbb:0:d:1:: at b";
    is_found_and_mended(&net, part, ("ROUTER", "2001:db8:bd::d")).await?;

    net.b.sysctl("net.ipv6.conf.a.seg6_require_hmac", "1").await?;
    is_found_and_mended(&net, "an HMAC is required on a at b, and the list has none", AS_IT_IS).await?;

    steer(&net, &["2001:db8:ab::b", LAST]).await;
    let part = "segment 2001:db8:ab::b is an address, and headers are not processed on a at b";
    is_found_and_mended(&net, part, AS_IT_IS).await
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn faults_of_a_set_are_found_before_it_is_applied(lab: Lab) -> Result {
    let net = sound(&lab).await?;
    let (a, others) = (facts(&net.a).await?, [facts(&net.b).await?, facts(&net.d).await?]);
    let set = |segments: [&str; 2]| {
        let path = CandidatePath::new(100).list(Seg6::encap_red(segments.map(addr)));
        let policy =
            Policy::new(100, addr("fcbb:0:d::")).path(path).prefix("2001:db8:4::/64".parse().unwrap());
        PolicySet::new("b", 5000..=5099, RouteProtocol(200)).policy(policy)
    };
    assert_eq!(set([B, LAST]).diagnose(&a, &others), []);
    for (segments, part) in [
        ([B, TRANSIT], "the last segment fcbb:0:d:e:: does not decapsulate at d"),
        ([LAST, B], "the list is in reverse"),
        (["fd00::1", LAST], "no route leads to the first segment fd00::1"),
    ] {
        let found = set(segments).diagnose(&a, &others);
        assert_eq!(found.len(), 1, "{found:#?}");
        let line = found[0].to_string();
        assert!(
            line.starts_with("a: policy color 100 endpoint fcbb:0:d::: seg6 mode encap.red segs "),
            "{line}"
        );
        assert!(line.contains(part), "{line}");
    }
    Ok(())
}

#[nl_testkit::test(needs(vm, host_root, genl = "SEG6", link = "veth", tool = "ip"), timeout = 60)]
async fn key_that_a_node_on_the_way_lacks_is_found(lab: Lab) -> Result {
    let net = sound(&lab).await?;
    let set = async |node: &Node| {
        let keys = HmacKeys::new(generic(node).await?);
        keys.key(42).set(HmacAlgorithm::Sha256, &HmacSecret::new(b"supersecret0123".to_vec())).await?;
        Result::Ok(())
    };
    set(&net.a).await?;
    net.a.ip(&format!("-6 route replace {TO} encap seg6 mode encap segs {B},{LAST} hmac 42 dev b")).await;
    for node in [&net.b, &net.d] {
        let all = findings(&net).await?;
        let part = format!("there is no HMAC key 42 at {}, so every packet is dropped there", node.name());
        assert!(all.len() == 1 && all[0].to_string().contains(&part), "{all:#?}");
        // `ip sr hmac set` asks for the secret at a terminal.
        assert_eq!(
            (all[0].mend_on(), all[0].mend().as_deref()),
            (node.name(), Some("ip sr hmac set 42 sha256"))
        );
        set(node).await?;
    }
    assert_eq!(findings(&net).await?, []);
    arrives(&net).await
}
