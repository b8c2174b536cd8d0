//! Another cipher suite: everything else is as it was, and datagrams pass again.

use std::time::Duration;

use nl_macsec::CipherSuite;
use nl_macsec::device::MacsecDevice;
use nl_testkit::{Lab, Result};

use crate::support::{Pair, SOON, alone, id, key, salt};

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root))]
async fn recreated_device_differs_in_its_suite_only(lab: Lab) -> Result {
    let options = MacsecDevice::new().port(7).encrypt(true).replay(64);
    let pair = Pair::new(&lab, &options).await?;
    let suite = CipherSuite::GcmAesXpn256;
    for (end, _) in pair.ends() {
        end.node.ip("link set macsec0 mtu 1400 alias uplink group 5 txqueuelen 77").await;
        end.node.ip("link property add dev macsec0 altname the-uplink").await;
        end.node
            .ip("address add 198.51.100.1/32 dev macsec0 label macsec0:x valid_lft 5500 preferred_lft 4500")
            .await;
    }
    let link = async |node: &nl_testkit::Node| {
        let mut link = node.json("ip -j -d link show macsec0").await[0].clone();
        link["linkinfo"]["info_data"]["cipher_suite"] = "any".into();
        // Unknown until the device has changed its state for the first time.
        link["operstate"] = "any".into();
        link
    };
    let addresses = async |node: &nl_testkit::Node| {
        let mut shown = node.json("ip -j address show dev macsec0").await[0]["addr_info"].clone();
        for address in shown.as_array_mut().unwrap() {
            // Counts down.
            for key in ["valid_life_time", "preferred_life_time"] {
                address[key] = (address[key].as_u64().unwrap() / 1000).into();
            }
        }
        shown
    };
    let before = (link(&pair.near.node).await, addresses(&pair.near.node).await);
    for (end, other) in pair.ends() {
        let recreate = end.macsec.recreate("macsec0", suite).key(&key(suite, 9)).key_id(id(9)).salt(&salt());
        let recreated = recreate.ssci(end.ssci).peer_ssci(other.sci, other.ssci).run().await?;
        assert!(recreated.outage < Duration::from_secs(5), "{recreated:?}");
        assert!(recreated.link.is_up());
    }
    assert_eq!((link(&pair.near.node).await, addresses(&pair.near.node).await), before);
    let secy = pair.near.macsec.secy("macsec0").get().await?;
    assert_eq!((secy.cipher, secy.sci, secy.rx_scs[0].sci), (suite, pair.near.sci, pair.far.sci));
    assert_eq!(pair.datagrams(3, SOON).await?, 3);

    // The device keeps its SCI, and the key has sent.
    let near = &pair.near;
    let again = || {
        let recreate = near.macsec.recreate("macsec0", suite).key(&key(suite, 9)).key_id(id(9)).salt(&salt());
        recreate.ssci(near.ssci).peer_ssci(pair.far.sci, pair.far.ssci)
    };
    let index = near.node.index_of("macsec0").await?;
    let error = again().run().await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("which this process has used below"), "{error}");
    let secy = near.macsec.secy("macsec0").get().await?;
    assert!(secy.encoding().is_some_and(|sa| sa.next_pn > 1), "it was left alone: {secy}");
    let recreated = again().allow_reuse().run().await?;
    assert_eq!(recreated.link.index, index);
    Ok(())
}

/// The kernel makes a device with an SCI of its own only with frames that carry it; afterwards they may leave it out.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root))]
async fn recreated_device_keeps_an_sci_that_its_frames_leave_out(lab: Lab) -> Result {
    let (node, macsec) = alone(&lab).await?;
    let suite = CipherSuite::GcmAes256;
    for (name, port, then) in [("m0", "0001", "send_sci off"), ("m1", "0002", "send_sci off end_station on")]
    {
        node.ip(&format!("link add link v0 name {name} type macsec sci 226b54b06500{port} encrypt on")).await;
        node.ip(&format!("link set dev {name} type macsec {then}")).await;
        let options = async || {
            let shown = node.json(&format!("ip -j -d link show {name}")).await;
            let mut options = shown[0]["linkinfo"]["info_data"].clone();
            options["cipher_suite"] = "any".into();
            options
        };
        let before = options().await;
        assert_eq!((&before["inc_sci"], &before["encrypt"]), (&false.into(), &true.into()), "{before:#}");
        macsec.recreate(name, suite).key(&key(suite, 33)).key_id(id(33)).run().await?;
        assert_eq!(options().await, before);
        assert_eq!(macsec.secy(name).get().await?.cipher, suite);
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", link = "vlan", tool = "ip", host_root))]
async fn recreation_is_refused_before_anything_is_lost(lab: Lab) -> Result {
    let pair = Pair::new(&lab, &MacsecDevice::new()).await?;
    let (macsec, node) = (&pair.near.macsec, &pair.near.node);
    let before = node.ip("macsec show macsec0").await;
    let suite = CipherSuite::GcmAes256;
    let words = "recreate macsec macsec0 with GCM-AES-256: ";
    let error = macsec.recreate("macsec0", suite).run().await.unwrap_err();
    assert_eq!(error.to_string(), format!("{words}an association needs a key: key()"));
    let short = key(CipherSuite::GcmAes128, 1);
    let error = macsec.recreate("macsec0", suite).key(&short).key_id(id(1)).run().await.unwrap_err();
    assert_eq!(error.to_string(), format!("{words}a key of 16 bytes; GCM-AES-256 needs 32"));
    node.ip("link add link macsec0 name v10 type vlan id 10").await;
    let error = macsec.recreate("macsec0", suite).key(&key(suite, 1)).key_id(id(1)).run().await.unwrap_err();
    assert_eq!(error.to_string(), format!("{words}v10 is on top of it and would be deleted with it"));
    let xpn = CipherSuite::GcmAesXpn128;
    node.ip("link del v10").await;
    let recreate = macsec.recreate("macsec0", xpn).key(&short).key_id(id(1)).ssci(1).salt(&salt());
    let error = recreate.run().await.unwrap_err();
    assert!(error.to_string().contains("needs the short SCI of"), "{error}");
    assert_eq!(node.ip("macsec show macsec0").await, before);
    Ok(())
}
