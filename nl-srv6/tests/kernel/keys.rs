//! Keys: set, listed, replaced, and what packets make of them.

use nl_srv6::encap::Seg6;
use nl_srv6::hmac::{HmacAlgorithm, HmacKeys, HmacSecret};
use nl_testkit::{EthFrame, Lab, Result, eventually};

use crate::commands::{addr, segments};
use crate::support::{SOON, generic, ipv6, is_plain, network, routes, shown, sids, world};

fn secret(text: &str) -> HmacSecret {
    HmacSecret::new(text.as_bytes().to_vec())
}

async fn listed(keys: &HmacKeys) -> Vec<(u32, HmacAlgorithm, Vec<u8>)> {
    let list = keys.list().await.unwrap().collect_all().await.unwrap();
    let mut list: Vec<_> =
        list.iter().map(|key| (key.id, key.algorithm, key.secret.expose().to_vec())).collect();
    list.sort_by_key(|key| key.0);
    list
}

#[nl_testkit::test(needs(vm, host_root, genl = "SEG6", tool = "ip"), timeout = 60)]
async fn keys_are_set_listed_and_deleted(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let keys = HmacKeys::new(generic(&node).await?);
    assert_eq!(listed(&keys).await, []);
    keys.key(42).set(HmacAlgorithm::Sha256, &secret("supersecret0123")).await?;
    keys.key(7).set(HmacAlgorithm::Sha1, &HmacSecret::new(vec![0xff; 64])).await?;
    let expected =
        [(7, HmacAlgorithm::Sha1, vec![0xff; 64]), (42, HmacAlgorithm::Sha256, b"supersecret0123".to_vec())];
    assert_eq!(listed(&keys).await, expected);
    let shown = node.ip("sr hmac show").await;
    assert!(["42", "sha256", "supersecret0123"].iter().all(|word| shown.contains(word)), "{shown}");

    // A bad new key leaves the old one.
    for (algorithm, new) in [(HmacAlgorithm::Other(9), secret("x")), (HmacAlgorithm::Sha1, secret(""))] {
        assert!(keys.key(42).set(algorithm, &new).await.unwrap_err().is_usage());
    }
    assert_eq!(listed(&keys).await, expected);
    keys.key(42).set(HmacAlgorithm::Sha1, &secret("another")).await?;
    assert_eq!(listed(&keys).await[1], (42, HmacAlgorithm::Sha1, b"another".to_vec()));
    keys.key(42).delete().await?;
    let error = keys.key(42).delete().await.unwrap_err();
    assert_eq!(error.to_string(), "delete hmac key 42: No such file or directory (ENOENT)");
    keys.key(7).delete().await?;
    assert_eq!(listed(&keys).await, []);
    Ok(())
}

/// The kernel takes such a route and drops every packet.
#[nl_testkit::test(needs(vm, host_root, genl = "SEG6", link = "veth", tool = "ip"), timeout = 60)]
async fn route_by_a_key_that_is_not_there_is_refused(lab: Lab) -> Result {
    const TO: &str = "2001:db8:2::/48";
    let (node, _) = world(&lab).await?;
    let (routes, sids) = (routes(&node).await?, sids(&node).await?);
    let path = Seg6::encap(segments(2)).hmac(42);
    let entry = || routes.entry(TO.parse().unwrap(), &path).dev("d0");
    let keys = HmacKeys::new(generic(&node).await?);
    keys.key(7).set(HmacAlgorithm::Sha256, &secret("another")).await?;
    for outcome in [entry().add().await, entry().replace().await] {
        let error = outcome.unwrap_err();
        let text = error.to_string();
        assert!(error.is_usage() && text.contains("there is no HMAC key 42"), "{text}");
        assert!(text.contains("route 2001:db8:2::/48") && text.contains("dev d0"), "{text}");
        assert!(!text.contains("another"), "{text}");
    }
    let binding = || sids.end_b6_encaps("fcbb:0:a::".parse().unwrap(), segments(2)).hmac(42).dev("d0");
    let error = binding().add().await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("there is no HMAC key 42"), "{error}");
    assert_eq!((shown(&node, TO).await.len(), shown(&node, "fcbb:0:a::").await.len()), (0, 0));
    entry().unchecked().add().await?;
    assert_eq!(shown(&node, TO).await.len(), 1);
    entry().delete().await?;
    keys.key(42).set(HmacAlgorithm::Sha256, &secret("supersecret0123")).await?;
    entry().add().await?;
    binding().add().await?;
    assert_eq!((shown(&node, TO).await.len(), shown(&node, "fcbb:0:a::").await.len()), (1, 1));
    Ok(())
}

#[nl_testkit::test(needs(vm, genl = "SEG6", tool = "ip"), timeout = 60)]
async fn keys_without_privilege_report_eperm(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let error = node
        .unprivileged(|| async {
            let keys = HmacKeys::new(nl_core::Connection::open(nl_core::Protocol::Generic).unwrap());
            let error = keys.key(7).set(HmacAlgorithm::Sha1, &secret("secret")).await.unwrap_err();
            (error.is_permission(), error.to_string())
        })
        .await?;
    assert_eq!(error, (true, "set hmac key 7 sha1: Operation not permitted (EPERM)".to_owned()));
    Ok(())
}

#[nl_testkit::test(needs(vm, host_root, link = "veth", genl = "SEG6", tool = "ip"), timeout = 120)]
async fn hmac_is_accepted_and_dropped_when_it_is_wrong(lab: Lab) -> Result {
    const SID: &str = "fcbb:0:b::";
    let net = network(&lab).await?;
    let (a, b) = (HmacKeys::new(generic(&net.a).await?), HmacKeys::new(generic(&net.b).await?));
    let (sids_b, sids_d) = (sids(&net.b).await?, sids(&net.d).await?);
    sids_b.end(SID.parse()?).counters().dev("a").add().await?;
    sids_d.end_dx6("fcbb:0:d:1::".parse()?, addr("2001:db8:2::1")).dev("b").add().await?;
    let settings = nl_srv6::settings::Settings::new(sids_b.connection())?;
    settings.set_require_hmac("a", nl_srv6::settings::RequireHmac::Always)?;
    // The last node has no key, and would drop what it cannot verify.
    let settings = nl_srv6::settings::Settings::new(sids_d.connection())?;
    settings.set_require_hmac("b", nl_srv6::settings::RequireHmac::Never)?;
    let routes = routes(&net.a).await?;
    let counters = async || sids_b.sid(SID.parse().unwrap()).get().await.unwrap().local.counters.unwrap();
    let mut expected = (0, 0);

    for algorithm in [HmacAlgorithm::Sha256, HmacAlgorithm::Sha1] {
        // Accepted, and computed as we compute it.
        let good = secret("supersecret0123");
        a.key(42).set(algorithm, &good).await?;
        b.key(42).set(algorithm, &good).await?;
        for path in [
            Seg6::encap([addr(SID), addr("fcbb:0:d:1::")]),
            Seg6::encap_red([addr(SID), addr("fcbb:0:d:1::")]),
        ] {
            routes.entry("2001:db8:2::/64".parse()?, &path.hmac(42)).dev("b").replace().await?;
            let mut arrived = net.c2.capture("eth0").await?;
            let mut sent = net.b.capture("a").await?;
            net.send("[2001:db8:2::1]:5000", 1).await;
            arrived.expect(is_plain, SOON).await;
            expected.0 += 1;
            assert_eq!((counters().await.packets, counters().await.errors), expected, "{algorithm}");

            let is_ours = |frame: &EthFrame| ipv6(frame).is_some_and(|(_, next, _)| next == 43);
            let frame = sent.expect(is_ours, SOON).await;
            let srh = nl_srv6::srh::Srh::parse(ipv6(&frame).unwrap().2)?.0;
            let source = std::net::Ipv6Addr::from(*frame.payload[8..].first_chunk::<16>().unwrap());
            assert_eq!(srh.hmac_tlv().map(|tlv| tlv.key), Some(42));
            assert_eq!(nl_srv6::hmac::verify(source, &srh, algorithm, &good), Ok(true), "{algorithm}");
        }
        // Dropped: another secret, and none at all.
        b.key(42).set(algorithm, &secret("another")).await?;
        net.send("[2001:db8:2::1]:5000", 1).await;
        expected.1 += 1;
        let dropped =
            async || ((counters().await.packets, counters().await.errors) == expected).then_some(());
        eventually(SOON, dropped, "the packet with a wrong HMAC to be dropped").await;
        let path = Seg6::encap([addr(SID), addr("fcbb:0:d:1::")]);
        routes.entry("2001:db8:2::/64".parse()?, &path).dev("b").replace().await?;
        net.send("[2001:db8:2::1]:5000", 1).await;
        expected.1 += 1;
        let dropped =
            async || ((counters().await.packets, counters().await.errors) == expected).then_some(());
        eventually(SOON, dropped, "the packet without an HMAC to be dropped").await;
    }
    Ok(())
}
