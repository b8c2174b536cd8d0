//! Several tasks that change the same channels and associations: every outcome is a success or says which of them was first, nothing hangs,
//! and what is left is what iproute2 shows.

use nl_core::Error;
use nl_core::error::Errno;
use nl_macsec::{CipherSuite, Macsec};
use nl_testkit::race::{Dice, Race};
use nl_testkit::{Lab, Result};

use crate::support::{SOON, id, key, open, sci, shown, with_device};

const SUITE: CipherSuite = CipherSuite::GcmAes128;
const TASKS: usize = 4;
/// Of each task.
const CHANGES: u32 = 60;

/// One change, which another task may have made impossible.
async fn change(macsec: &Macsec, dice: &mut Dice) -> nl_core::Result<()> {
    let (peer, an) = (sci(2 + dice.roll(2_u8), 1), dice.roll(3_u8));
    let rx = || macsec.rx_sa("macsec0", peer, an);
    match dice.roll(8_u8) {
        0 => macsec.rx_sc("macsec0", peer).active(true).add().await.map(drop),
        1 => macsec.rx_sc("macsec0", peer).delete().await.map(drop),
        2 => rx().key(&key(SUITE, 7)).key_id(id(1)).active(true).add().await.map(drop),
        3 => rx().active(false).update().await.map(drop),
        4 => rx().remove().await.map(drop),
        5 => {
            let tx = macsec.tx_sa("macsec0", an).key(&key(SUITE, 7)).key_id(id(1)).next_pn(1);
            tx.active(true).add().await.map(drop)
        }
        6 => macsec.tx_sa("macsec0", an).remove().await.map(drop),
        _ => {
            macsec.secy("macsec0").get().await?;
            Ok(())
        }
    }
}

/// `EBUSY`: an association that exists, or one that is active again by the time it is deleted.
fn is_lost_race(error: &Error) -> bool {
    matches!(error.errno(), Some(Errno::EBUSY | Errno::EEXIST | Errno::ENODEV))
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root), timeout = 60)]
async fn changes_of_the_same_channels_by_tasks_and_processes_succeed_or_say_why(lab: Lab) -> Result {
    let (node, macsec) = with_device(&lab, SUITE).await?;
    let mut clients = Vec::new();
    for _ in 0..TASKS {
        clients.push(open(&node).await?);
    }
    let racers = Race::new(CHANGES, SOON).tasks(clients, change, is_lost_race);
    // iproute2 among them, whose failures are its own.
    let processes = async {
        for number in 0..6 {
            let peer = sci(2 + number % 2, 1);
            for line in [
                format!("ip macsec add macsec0 rx sci {peer} on"),
                format!("ip macsec del macsec0 rx sci {peer}"),
            ] {
                let _ = node.command(line.split_whitespace()).await;
            }
        }
    };
    tokio::join!(racers, processes);

    let secy = macsec.secy("macsec0").get().await?;
    let shown = shown(&node, "macsec0").await;
    let channels = shown["rx_sc"].as_array().map_or(0, Vec::len);
    assert_eq!(secy.rx_scs.len(), channels, "{secy}\n{shown}");
    Ok(())
}
