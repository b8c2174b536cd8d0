//! Offload to a simulated card, which keeps the configuration and has no data path.

use nl_core::error::Errno;
use nl_macsec::agent::{KernelSecy, SecyOps};
use nl_macsec::device::MacsecDevice;
use nl_macsec::{CipherSuite, Offload};
use nl_testkit::{Lab, Result};

use crate::support::{id, key, open, sci, with_device};

/// Neither a device of the kernel nor the simulated card has a PHY, so all that can be seen of it without hardware is refusals.
const BY_PHY: &str =
    "the device below cannot offload MACsec (phy), and the kernel does not encrypt in its place";

/// Without hardware nothing offloads, and nothing falls back to the kernel silently.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", host_root))]
async fn offload_to_a_phy_is_refused_without_one_and_changes_nothing(lab: Lab) -> Result {
    let (_node, macsec) = with_device(&lab, CipherSuite::GcmAes128).await?;
    let before = macsec.secy("macsec0").get().await?;
    let error = macsec.secy("macsec0").set_offload(Offload::Phy).await.unwrap_err();
    assert_eq!((error.errno(), error.hint()), (Some(Errno::EOPNOTSUPP), Some(BY_PHY)), "{error}");
    assert!(error.is_unsupported(), "{error}");
    assert_eq!(macsec.secy("macsec0").get().await?, before);
    let options = MacsecDevice::new().port(9).offload(Offload::Phy);
    let error = macsec.device("m1").on("v0").add(options).await.unwrap_err();
    assert_eq!(
        (error.errno(), error.hint()),
        (Some(Errno::EOPNOTSUPP), Some("v0 cannot offload MACsec in this mode")),
        "{error}"
    );
    assert!(macsec.device("m1").get().await.unwrap_err().is_not_found());
    Ok(())
}

#[nl_testkit::test(needs(netdevsim, link = "macsec", genl = "macsec"))]
async fn card_that_offloads_in_its_mac_refuses_to_do_it_in_a_phy(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let card = node.add_netdevsim("card0").await?;
    let macsec = open(&node).await?;
    macsec.device("m0").on("card0").add(MacsecDevice::new().offload(Offload::Mac)).await?;
    let error = macsec.secy("m0").set_offload(Offload::Phy).await.unwrap_err();
    assert_eq!((error.errno(), error.hint()), (Some(Errno::EOPNOTSUPP), Some(BY_PHY)), "{error}");
    assert_eq!(macsec.secy("m0").get().await?.offload, Offload::Mac);
    macsec.device("m0").delete().await?;
    drop(card);
    Ok(())
}

#[nl_testkit::test(needs(netdevsim, link = "macsec", genl = "macsec", tool = "ip"))]
async fn device_is_offloaded_and_says_what_is_in_the_way(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let card = node.add_netdevsim("card0").await?;
    let macsec = open(&node).await?;
    assert!(KernelSecy::new(macsec.clone(), "m0", "card0").can_offload().await?);
    macsec.device("m0").on("card0").add(MacsecDevice::new().offload(Offload::Mac)).await?;
    assert_eq!(macsec.secy("m0").get().await?.offload, Offload::Mac);
    let shown = node.json("ip -d -j link show m0").await;
    assert_eq!(shown[0]["linkinfo"]["info_data"]["offload"], "mac");
    macsec.secy("m0").set_offload(Offload::Off).await?;
    assert_eq!(macsec.secy("m0").get().await?.offload, Offload::Off);
    macsec.secy("m0").set_offload(Offload::Mac).await?;
    let suite = CipherSuite::GcmAes128;
    macsec.rx_sc("m0", sci(2, 1)).add().await?;
    macsec.rx_sa("m0", sci(2, 1), 0).key(&key(suite, 1)).key_id(id(1)).active(true).add().await?;
    macsec.tx_sa("m0", 0).key(&key(suite, 1)).key_id(id(1)).next_pn(1).active(true).add().await?;
    let error = macsec.secy("m0").set_offload(Offload::Off).await.unwrap_err();
    assert_eq!(
        (error.errno(), error.hint()),
        (
            Some(Errno::EBUSY),
            Some(
                "offload is changed while the device is empty: it has 1 channels that are received and 1 associations that send"
            )
        ),
        "{error}"
    );
    // The card takes one channel.
    assert_eq!(macsec.rx_sc("m0", sci(2, 2)).add().await.unwrap_err().errno(), Some(Errno::ENOSPC));
    macsec.device("m0").delete().await?;
    drop(card);
    Ok(())
}
