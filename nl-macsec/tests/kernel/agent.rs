//! A key agent's view: everything through `dyn SecyOps`, and iproute2 shows it.

use nl_macsec::agent::{KernelSecy, SecyOps};
use nl_macsec::device::MacsecDevice;
use nl_macsec::{An, CipherSuite, SaConfig};
use nl_testkit::{Lab, Result};
use serde_json::json;

use crate::support::{alone, id, key, sci, shown};

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
