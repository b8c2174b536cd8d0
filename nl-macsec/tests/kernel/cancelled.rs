//! Operations of several requests that are dropped at every await point: the next one completes what was begun, the connections work, and no
//! socket and no task is left.

use std::cell::Cell;
use std::time::Duration;

use nl_macsec::CipherSuite;
use nl_macsec::Macsec;
use nl_macsec::rotate::RotateEntry;
use nl_testkit::cancel::in_node;
use nl_testkit::{Lab, Result};

use crate::support::{SOON, id, key, sci, with_device};

const SUITE: CipherSuite = CipherSuite::GcmAes128;
/// Two connections, each with its own socket and with those of lists that are kept for the next ones.
const SOCKETS: usize = 8;
/// Of the key in use before.
const FIRST: u8 = 1;

fn rotation(macsec: &Macsec, number: u8) -> RotateEntry {
    let rotate = macsec.rotate("macsec0").key(&key(SUITE, number)).key_id(id(number));
    rotate.lead(Duration::ZERO).patience(Duration::ZERO).grace(Duration::ZERO).allow_reuse()
}

/// At each point another key, because one that was used is not installed again.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", host_root), timeout = 60)]
async fn rotation_that_is_dropped_at_every_await_is_completed_by_the_next(lab: Lab) -> Result {
    let (node, macsec) = with_device(&lab, SUITE).await?;
    macsec.rx_sc("macsec0", sci(2, 1)).active(true).add().await?;
    rotation(&macsec, FIRST).run().await?;
    let number = Cell::new(FIRST);
    let (rotated, points) = in_node(
        &node,
        SOCKETS,
        SOON,
        || {
            number.set(number.get() + 1);
            rotation(&macsec, number.get()).run()
        },
        async || drop(macsec.secy("macsec0").get().await.unwrap()),
        async |point| {
            // One key sends at any time.
            let secy = macsec.secy("macsec0").get().await.unwrap();
            let sends = secy.encoding().map(|sa| (sa.key_id, sa.active));
            let (old, new) = ((id(number.get() - 1), true), (id(number.get()), true));
            assert!(sends == Some(old) || sends == Some(new), "dropped at point {point}: {secy}");
            rotation(&macsec, number.get()).run().await.unwrap();
            let secy = macsec.secy("macsec0").get().await.unwrap();
            let sends = secy.encoding().map(|sa| sa.key_id);
            assert_eq!(sends, Some(id(number.get())), "dropped at point {point}: {secy}");
            let associations = (secy.tx_sas.len(), secy.rx_scs[0].sas.len());
            assert_eq!(associations, (1, 1), "dropped at point {point}: {secy}");
        },
    )
    .await;
    assert_eq!(rotated?.key_id, id(number.get()));
    assert!(points >= 6, "{points} points");
    Ok(())
}

/// The device goes and comes; what was made until then stays, so it is made from nothing again for the next point.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root), timeout = 60)]
async fn recreation_that_is_dropped_at_every_await_leaves_a_device_or_none(lab: Lab) -> Result {
    let (node, macsec) = with_device(&lab, SUITE).await?;
    let (recreated, points) = in_node(
        &node,
        SOCKETS,
        SOON,
        || {
            let recreate = macsec.recreate("macsec0", CipherSuite::GcmAes256);
            recreate.key(&key(CipherSuite::GcmAes256, 9)).key_id(id(9)).allow_reuse().run()
        },
        async || {
            if node.links().await.unwrap().contains(&"macsec0".to_owned()) {
                macsec.secy("macsec0").get().await.unwrap();
                macsec.device("macsec0").delete().await.unwrap();
            }
            node.ip("link add link v0 name macsec0 type macsec").await;
            macsec.secy("macsec0").get().await.unwrap();
        },
        async |_| (),
    )
    .await;
    recreated?;
    assert_eq!(macsec.secy("macsec0").get().await?.cipher, CipherSuite::GcmAes256);
    assert!(points >= 4, "{points} points");
    Ok(())
}
