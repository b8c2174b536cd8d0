//! Offload to a simulated card, which keeps the configuration and has no data path.

use nl_core::error::Errno;
use nl_macsec::agent::{KernelSecy, SecyOps};
use nl_macsec::device::MacsecDevice;
use nl_macsec::{CipherSuite, Offload};
use nl_testkit::{Lab, Result};

use crate::support::{id, key, open, sci};

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
