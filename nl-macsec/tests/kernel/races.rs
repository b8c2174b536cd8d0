//! Several tasks that change the same channels and associations: every outcome is a success or says which of them was first, nothing hangs,
//! and what is left is what iproute2 shows.

use nl_core::Error;
use nl_core::error::Errno;
use nl_macsec::{CipherSuite, Macsec};
use nl_testkit::{Lab, Result, within};

use crate::support::{SOON, id, key, open, sci, shown, with_device};

const SUITE: CipherSuite = CipherSuite::GcmAes128;
const TASKS: u32 = 4;
/// Of each task.
const CHANGES: u32 = 60;

/// Numbers that look like chance and are the same each time.
struct Dice(u32);

impl Dice {
    fn roll(&mut self, sides: u8) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        u8::try_from(self.0 % u32::from(sides)).unwrap_or_default()
    }
}

/// One change, which another task may have made impossible.
async fn change(macsec: &Macsec, dice: &mut Dice) -> nl_core::Result<()> {
    let (peer, an) = (sci(2 + dice.roll(2), 1), dice.roll(3));
    let rx = || macsec.rx_sa("macsec0", peer, an);
    match dice.roll(8) {
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
    let mut racers = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let macsec = open(&node).await?;
        racers.spawn(async move {
            let mut dice = Dice(0x9e37_79b9 ^ ((task + 1) << 8));
            let mut made = 0;
            for _ in 0..CHANGES {
                match within(SOON, change(&macsec, &mut dice), "a change").await {
                    Ok(()) => made += 1,
                    Err(error) => assert!(is_lost_race(&error), "{error}"),
                }
                tokio::task::yield_now().await;
            }
            made
        });
    }
    // iproute2 among them, whose failures are its own.
    for number in 0..6 {
        let peer = sci(2 + number % 2, 1);
        for line in [
            format!("ip macsec add macsec0 rx sci {peer} on"),
            format!("ip macsec del macsec0 rx sci {peer}"),
        ] {
            let _ = node.command(line.split_whitespace()).await;
        }
    }
    let made: u32 = racers.join_all().await.into_iter().sum();
    assert!(made > TASKS * CHANGES / 10, "only {made} changes were made");

    let secy = macsec.secy("macsec0").get().await?;
    let shown = shown(&node, "macsec0").await;
    let channels = shown["rx_sc"].as_array().map_or(0, Vec::len);
    assert_eq!(secy.rx_scs.len(), channels, "{secy}\n{shown}");
    Ok(())
}
