//! Devices that are gone, and others in their place: each verb says which, and changes nothing.

use nl_core::error::{Errno, ErrorKind};
use nl_core::{Dev, Error};
use nl_macsec::device::MacsecDevice;
use nl_macsec::{CipherSuite, Macsec, Offload};
use nl_testkit::{Lab, Result};

use crate::support::{alone, id, key, sci, with_device};

const SUITE: CipherSuite = CipherSuite::GcmAes128;

/// The beginning of the operation, and the error; `None` for a success.
type Refused = (&'static str, Option<Error>);

async fn refused<T>(what: &'static str, outcome: impl Future<Output = nl_core::Result<T>>) -> Refused {
    (what, outcome.await.err())
}

/// Every verb on a device.
async fn verbs(macsec: &Macsec, dev: &Dev) -> Vec<Refused> {
    let peer = sci(2, 1);
    let tx = || macsec.tx_sa(dev, 0);
    let rx = || macsec.rx_sa(dev, peer, 0);
    vec![
        refused("get macsec", macsec.secy(dev).get()).await,
        refused("offload macsec", macsec.secy(dev).set_offload(Offload::Off)).await,
        refused("add macsec", tx().key(&key(SUITE, 7)).key_id(id(1)).next_pn(1).add()).await,
        refused("set macsec", tx().active(true).update()).await,
        refused("delete macsec", tx().delete()).await,
        refused("add macsec", macsec.rx_sc(dev, peer).add()).await,
        refused("set macsec", macsec.rx_sc(dev, peer).active(false).update()).await,
        refused("delete macsec", macsec.rx_sc(dev, peer).delete()).await,
        refused("add macsec", rx().key(&key(SUITE, 7)).key_id(id(1)).add()).await,
        refused("set macsec", rx().active(true).update()).await,
        refused("delete macsec", rx().delete()).await,
        refused("set link", macsec.device(dev).change(MacsecDevice::new().encrypt(true))).await,
        refused("delete link", macsec.device(dev).delete()).await,
    ]
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip"))]
async fn every_verb_on_a_device_that_is_gone_is_enodev_and_named(lab: Lab) -> Result {
    let (node, macsec) = with_device(&lab, SUITE).await?;
    let index = node.index_of("macsec0").await?;
    macsec.secy("macsec0").get().await?;
    node.ip("link delete macsec0").await;
    for dev in [Dev::from("macsec0"), Dev::from(index)] {
        for (what, error) in verbs(&macsec, &dev).await {
            let error = error.unwrap_or_else(|| panic!("{what}: not refused"));
            assert!(matches!(error.kind(), ErrorKind::Kernel(_)), "{what}: {error}");
            assert_eq!(error.errno(), Some(Errno::ENODEV), "{what}: {error}");
            assert!(error.is_not_found() && !error.is_permission(), "{what}: {error}");
            let operation = error.operation().unwrap_or_default();
            assert!(operation.starts_with(what), "{what}: {error}");
            assert!(
                operation.split(' ').any(|word| word == dev.to_string()),
                "{what} names no {dev}: {error}"
            );
            assert!(error.to_string().contains(": No such device (ENODEV)"), "{error}");
        }
    }
    Ok(())
}

/// The kernel gives an index out again where it is asked to: what is there then is another device, and is left alone.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip"))]
async fn another_device_with_the_index_of_one_that_is_gone_is_refused_and_left_alone(lab: Lab) -> Result {
    let (node, macsec) = alone(&lab).await?;
    node.ip("link add link v0 name macsec0 index 4711 type macsec").await;
    assert_eq!(macsec.secy(4711).get().await?.index, 4711);
    node.ip("link delete macsec0").await;
    node.ip("link add name w0 index 4711 type veth peer name w1").await;
    for (what, error) in verbs(&macsec, &Dev::from(4711_u32)).await {
        let error = error.unwrap_or_else(|| panic!("{what}: not refused"));
        assert!(error.is_usage() && !error.is_not_found(), "{what}: {error}");
        assert!(error.to_string().ends_with("#4711 is a veth, not a macsec device"), "{error}");
    }
    assert_eq!(node.index_of("w0").await?, 4711);
    Ok(())
}
