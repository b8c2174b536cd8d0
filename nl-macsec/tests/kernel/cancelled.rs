//! Operations of several requests that are dropped at every await point: the next one completes what was begun, the connections work, and no
//! socket and no task is left.

use std::time::Duration;

use nl_macsec::CipherSuite;
use nl_macsec::Macsec;
use nl_macsec::rotate::RotateEntry;
use nl_testkit::cancel::dropped_after;
use nl_testkit::{Lab, Node, Result, eventually};

use crate::support::{SOON, id, key, sci, with_device};

const SUITE: CipherSuite = CipherSuite::GcmAes128;
/// Two connections, each with its own socket and with those of lists that are kept for the next ones.
const SOCKETS: usize = 8;
/// Of the key in use before.
const FIRST: u8 = 1;

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// The connections answer, and have no more sockets and tasks than before.
async fn works(node: &Node, macsec: &Macsec, before: usize) {
    macsec.secy("macsec0").get().await.unwrap();
    let clean = async || {
        let sockets = node.netlink_sockets().await.len();
        (sockets <= SOCKETS && tasks() <= before).then_some(())
    };
    eventually(SOON, clean, "sockets and tasks of a dropped operation to be gone").await;
}

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
    let before = tasks();
    let mut number = FIRST;
    for polls in 0.. {
        number = number.checked_add(1).ok_or("no more keys")?;
        let rotated = dropped_after(polls, rotation(&macsec, number).run()).await;
        works(&node, &macsec, before).await;
        // One key sends at any time.
        let secy = macsec.secy("macsec0").get().await?;
        let sends = secy.encoding().map(|sa| (sa.key_id, sa.active));
        let (old, new) = ((id(number - 1), true), (id(number), true));
        assert!(sends == Some(old) || sends == Some(new), "after {polls} polls: {secy}");
        if let Some(rotated) = rotated {
            assert_eq!(rotated?.key_id, id(number));
            assert!(polls >= 6, "complete after {polls} polls");
            break;
        }
        rotation(&macsec, number).run().await?;
        let secy = macsec.secy("macsec0").get().await?;
        assert_eq!(secy.encoding().map(|sa| sa.key_id), Some(id(number)), "after {polls} polls: {secy}");
        assert_eq!((secy.tx_sas.len(), secy.rx_scs[0].sas.len()), (1, 1), "after {polls} polls: {secy}");
    }
    Ok(())
}

/// The device goes and comes; what was made until then stays, so it is made from nothing again for the next point.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root), timeout = 60)]
async fn recreation_that_is_dropped_at_every_await_leaves_a_device_or_none(lab: Lab) -> Result {
    let (node, macsec) = with_device(&lab, SUITE).await?;
    let before = tasks();
    for polls in 0.. {
        let recreate = macsec.recreate("macsec0", CipherSuite::GcmAes256);
        let recreate = recreate.key(&key(CipherSuite::GcmAes256, 9)).key_id(id(9)).allow_reuse();
        let done = dropped_after(polls, recreate.run()).await;
        if let Some(done) = done {
            done?;
            assert_eq!(macsec.secy("macsec0").get().await?.cipher, CipherSuite::GcmAes256);
            assert!(polls >= 4, "complete after {polls} polls");
            break;
        }
        if node.links().await?.contains(&"macsec0".to_owned()) {
            works(&node, &macsec, before).await;
            macsec.device("macsec0").delete().await?;
        }
        node.ip("link add link v0 name macsec0 type macsec").await;
        works(&node, &macsec, before).await;
    }
    Ok(())
}
