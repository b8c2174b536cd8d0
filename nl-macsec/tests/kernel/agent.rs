//! A key agent's view: everything through `dyn SecyOps`, and iproute2 shows it.

use nl_macsec::agent::{KernelSecy, SecyOps};
use nl_macsec::device::MacsecDevice;
use nl_macsec::{An, CipherSuite, SaConfig};
use nl_testkit::{Lab, Result};
use serde_json::json;

use crate::support::{alone, id, key, sci, shown, with_device};

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root))]
async fn agent_creates_enables_and_deletes_everything(lab: Lab) -> Result {
    let (node, macsec) = alone(&lab).await?;
    let suite = CipherSuite::GcmAes256;
    let secy: Box<dyn SecyOps> = Box::new(KernelSecy::new(macsec, "m0", "v0"));
    let own = secy.create_secy(MacsecDevice::new().cipher(suite).encrypt(true)).await?;
    assert_eq!(own, sci(1, 1));
    let (peer, an) = (sci(2, 1), An::new(2));
    let sa = || SaConfig::new(2).key(&key(suite, 3)).key_id(id(3)).next_pn(7);
    secy.create_rx_sc(peer).await?;
    secy.create_rx_sa(peer, sa()).await?;
    secy.create_tx_sa(sa()).await?;
    let before = shown(&node, "m0").await;
    assert_eq!(before["sa_list"][0]["active"], json!(false), "{before:#}");
    secy.enable_rx_sa(peer, an).await?;
    secy.enable_tx_sa(an).await?;
    secy.set_enabled(true).await?;
    let after = shown(&node, "m0").await;
    assert_eq!(
        (&after["sa_list"][0]["active"], &after["encoding_sa"]),
        (&json!(true), &json!(2)),
        "{after:#}"
    );
    assert!(node.json("ip -j link show m0").await[0]["flags"].as_array().unwrap().contains(&json!("UP")));

    let numbers = secy.packet_numbers().await?;
    let numbers: Vec<_> = numbers.iter().map(|n| (n.from, n.an, n.key_id, n.next_pn)).collect();
    assert_eq!(numbers, [(None, an, id(3), 7), (Some(peer), an, id(3), 7)]);

    // What the sender says of its lowest packet number, and a change of the policy.
    secy.set_lowest_pn(peer, an, 100).await?;
    assert!(secy.set_lowest_pn(peer, an, 0).await.unwrap_err().is_usage());
    let shown_now = shown(&node, "m0").await;
    assert_eq!(shown_now["rx_sc"][0]["sa_list"][0]["pn"], json!(100), "{shown_now:#}");
    assert_eq!(shown_now["rx_sc"][0]["sa_list"][0]["active"], json!(true), "{shown_now:#}");
    secy.change_secy(MacsecDevice::new().replay(32)).await?;
    let options = node.json("ip -j -d link show m0").await[0]["linkinfo"]["info_data"].clone();
    assert_eq!(
        (&options["window"], &options["replay_protect"], &options["encrypt"]),
        (&json!(32), &json!(true), &json!(true)),
        "{options:#}"
    );

    secy.set_confidentiality_offset(0).await?;
    let error = secy.set_confidentiality_offset(30).await.unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("set confidentiality offset of macsec m0: a confidentiality offset of 30 bytes")
    );
    assert!(!secy.can_offload().await?, "a veth does not offload");

    secy.disable_tx_sa(an).await?;
    secy.disable_rx_sa(peer, an).await?;
    secy.delete_tx_sa(an).await?;
    secy.delete_rx_sa(peer, an).await?;
    secy.delete_rx_sc(peer).await?;
    let empty = shown(&node, "m0").await;
    assert_eq!(empty["sa_list"].as_array().map_or(0, Vec::len), 0, "{empty:#}");
    secy.set_enabled(false).await?;
    secy.delete_secy().await?;
    assert!(secy.delete_secy().await.unwrap_err().is_not_found());
    Ok(())
}

/// An agent that was killed leaves associations behind, and the next one installs other keys under their numbers.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root))]
async fn association_of_a_killed_agent_is_replaced_under_its_number(lab: Lab) -> Result {
    const KEYS: u8 = 40;
    let suite = CipherSuite::GcmAes128;
    let (node, macsec) = with_device(&lab, suite).await?;
    let (peer, an) = (sci(2, 1), An::new(0));
    let sa =
        |number: u8| SaConfig::new(0).key(&key(suite, number)).key_id(id(number)).next_pn(1).active(true);
    let first = KernelSecy::new(macsec.clone(), "macsec0", "v0");
    first.create_rx_sc(peer).await?;
    first.create_rx_sa(peer, sa(1)).await?;
    first.create_tx_sa(sa(1)).await?;
    drop(first);

    let next: Box<dyn SecyOps> = Box::new(KernelSecy::new(macsec, "macsec0", "v0"));
    // It learns which keys are there, and that their numbers are taken.
    let left: Vec<_> = next.packet_numbers().await?.iter().map(|sa| (sa.from, sa.an, sa.key_id)).collect();
    assert_eq!(left, [(None, an, id(1)), (Some(peer), an, id(1))]);
    assert!(next.create_tx_sa(sa(2)).await.unwrap_err().is_busy());
    assert!(next.create_rx_sa(peer, sa(2)).await.unwrap_err().is_busy());
    assert!(next.create_rx_sc(peer).await.unwrap_err().is_exists());
    // Deleted and created again at once, over and over: what is there is always the key that was asked for last.
    for number in 2..=KEYS {
        next.delete_tx_sa(an).await?;
        next.create_tx_sa(sa(number)).await?;
        next.delete_rx_sa(peer, an).await?;
        next.create_rx_sa(peer, sa(number)).await?;
        let there: Vec<_> = next.packet_numbers().await?.iter().map(|sa| (sa.key_id, sa.next_pn)).collect();
        assert_eq!(there, [(id(number), 1), (id(number), 1)]);
    }
    let after = shown(&node, "macsec0").await;
    assert_eq!(after["sa_list"][0]["key"], json!(id(KEYS).to_string()), "{after:#}");
    Ok(())
}
