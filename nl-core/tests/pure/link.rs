//! Configurations of devices: what is refused before the kernel is asked, and words.

use nl_core::link::{BondMode, Dummy, LinkConfig, LinkVerb, MacVlanMode, Veth};
use nl_core::{Dev, MacAddr};

fn refusal(peer: LinkConfig) -> Option<String> {
    let mut request = LinkConfig::new("v0").kind(Veth::with_peer(peer)).request(LinkVerb::Add);
    request.encoded().err().map(|error| error.to_string())
}

#[test]
fn peer_of_a_pair_with_what_the_kernel_drops_is_refused() {
    let peer = || LinkConfig::new("v1");
    let mut dropped = peer();
    dropped.master = Some(Dev::Index(5));
    assert_eq!(
        refusal(dropped.clone()).unwrap(),
        "add link v0 type veth: master of a peer, which the kernel drops: change it afterwards"
    );
    // A name of a device would become index 0, which is no master.
    dropped.master = Some("br0".into());
    dropped.alt_names.push("far".into());
    assert!(refusal(dropped).unwrap().contains("master, altname of a peer"));
    let [mut link, mut renamed] = [peer(), peer()];
    link.link_netnsid = Some(3);
    renamed.rename = Some("v2".into());
    for bad in [link, renamed, peer().kind(Dummy::new())] {
        assert!(refusal(bad.clone()).is_some(), "{bad:?}");
    }
    let good = peer().mtu(1400).address(MacAddr::new([2, 0, 0, 0, 0, 1]));
    assert_eq!(refusal(good.clone()), None);
    // It has no pair yet when it would go up.
    assert!(refusal(good.up()).unwrap().ends_with("a peer that is up: bring it up when there is the pair"));
}

#[test]
fn option_is_read_from_its_word_or_its_number() {
    assert_eq!("802.3ad".parse::<BondMode>().unwrap(), BondMode::from(4));
    assert_eq!("bridge".parse::<MacVlanMode>().unwrap().to_string(), "bridge");
    for number in 0..=u8::MAX {
        let mode = BondMode::from(number);
        assert_eq!(mode.to_string().parse::<BondMode>().unwrap(), mode);
        assert_eq!(number.to_string().parse::<BondMode>().unwrap(), mode);
    }
    let error = "bridged".parse::<MacVlanMode>().unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("\"bridged\"; private, vepa, bridge"), "{error}");
    assert!("256".parse::<BondMode>().is_err() && "".parse::<BondMode>().is_err());
}
