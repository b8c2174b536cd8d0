//! What we send against what `ip macsec` sends for the same words, byte for byte.

#[path = "../golden/macsec.rs"]
mod commands;

use nl_core::error::Result as CoreResult;
use nl_macsec::device::MacsecDevice;
use nl_macsec::{CipherSuite, FAMILY, Macsec, Offload};
use nl_testkit::oracle::{Blessing, Sent};
use nl_testkit::{Lab, Node, Result};

use self::commands::{FILE, Line, Numbers, id, key_128, key_256, lines, peer, salt};
use crate::support::alone;

/// Needs nothing but the right to trace a child: iproute2's requests are read from it, ours come from the codec.
#[nl_testkit::test(needs(genl = "macsec", link = "macsec", tool = "ip"), timeout = 60)]
async fn codec_requests_equal_iproute2(lab: Lab) -> Result {
    let (node, _macsec, numbers) = world(&lab).await?;
    let mut blessing = Blessing::new(FILE, &lab.iproute2_version().await?).numbers(&numbers);
    let mut wrong = Vec::new();
    for line in lines() {
        let (_, theirs) = node.requests_of(&format!("ip macsec {}", line.command)).await?;
        wrong.extend(differs(&line, &line.request(&numbers)?, &theirs, &numbers));
        for request in of_the_family(&theirs, &numbers) {
            blessing.add(&format!("ip macsec {}", line.command), &request.message);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    blessing.save()?;
    Ok(())
}

/// Both go through the kernel, ours from the handle, and nlmon sees both.
#[nl_testkit::test(
    needs(link = "nlmon", genl = "macsec", link = "macsec", tool = "ip", host_root),
    timeout = 60
)]
async fn handle_requests_equal_iproute2(lab: Lab) -> Result {
    let (node, macsec, numbers) = world(&lab).await?;
    let mut recording = node.record().await?;
    let mut wrong = Vec::new();
    for line in lines() {
        recording.take()?;
        send(&macsec, line.command).await.unwrap();
        let ours = recording.take()?;
        // Refused, because ours did it already; here only the request matters.
        let _ = node.command(format!("ip macsec {}", line.command).split_whitespace()).await;
        let theirs = recording.take()?;
        let Some(ours) = of_the_family(&ours, &numbers).last().copied() else {
            wrong.push(format!("`{}`: ours sent nothing", line.command));
            continue;
        };
        wrong.extend(differs(&line, &ours.message, &theirs, &numbers));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

async fn send(macsec: &Macsec, command: &str) -> CoreResult<()> {
    let words: Vec<_> = command.split_whitespace().collect();
    let (dev, one) = (*words.get(1).unwrap_or(&""), peer());
    match (words[0], words.get(2).copied(), words.get(5).copied().filter(|word| *word == "sa")) {
        ("show", ..) => macsec.secys().list().await.map(drop),
        ("offload", ..) => macsec.secy(dev).set_offload(Offload::Off).await.map(drop),
        ("add", Some("rx"), None) => macsec.rx_sc(dev, one).add().await.map(drop),
        ("set", Some("rx"), None) => macsec.rx_sc(dev, one).active(words[5] == "on").update().await.map(drop),
        ("del", Some("rx"), None) => macsec.rx_sc(dev, one).delete().await.map(drop),
        ("add", Some("rx"), _) if dev == "xpn0" => {
            let sa = macsec.rx_sa(dev, one, 2).next_pn(1).active(true).key(&key_256()).key_id(id("01"));
            sa.ssci(2).salt(&salt()).add().await.map(drop)
        }
        ("add", Some("rx"), _) => {
            let sa = macsec.rx_sa(dev, one, 1).next_pn(100).active(true).key(&key_128()).key_id(id("02"));
            sa.add().await.map(drop)
        }
        ("set", Some("rx"), _) if command.ends_with("off") => {
            macsec.rx_sa(dev, one, 1).active(false).update().await.map(drop)
        }
        ("set", Some("rx"), _) => macsec.rx_sa(dev, one, 1).next_pn(200).update().await.map(drop),
        ("del", Some("rx"), _) => macsec.rx_sa(dev, one, 1).delete().await.map(drop),
        ("add", Some("tx"), _) if dev == "xpn0" => {
            let sa = macsec.tx_sa(dev, 3).next_pn(1 << 32).active(true).key(&key_256()).key_id(id("01"));
            sa.ssci(1).salt(&salt()).add().await.map(drop)
        }
        ("add", Some("tx"), _) => {
            let sa = macsec.tx_sa(dev, 0).next_pn(1024).active(true).key(&key_128()).key_id(id("01"));
            sa.add().await.map(drop)
        }
        ("set", Some("tx"), _) if dev == "xpn0" => {
            macsec.tx_sa(dev, 3).next_pn(1 << 33).update().await.map(drop)
        }
        ("set", Some("tx"), _) if command.ends_with("off") => {
            macsec.tx_sa(dev, 0).next_pn(4096).active(false).update().await.map(drop)
        }
        ("set", Some("tx"), _) => macsec.tx_sa(dev, 0).next_pn(2048).update().await.map(drop),
        ("del", Some("tx"), _) => macsec.tx_sa(dev, 0).delete().await.map(drop),
        _ => panic!("`{command}` has no call of the handle"),
    }
}

fn differs(line: &Line, ours: &[u8], theirs: &[Sent], numbers: &Numbers) -> Option<String> {
    let [theirs] = &of_the_family(theirs, numbers)[..] else {
        return Some(format!("`{}`: iproute2 sent not one request: {theirs:?}", line.command));
    };
    let mismatch = line.compare(ours, &theirs.message).err()?;
    Some(format!("`{}`: {mismatch}", line.command))
}

fn of_the_family<'a>(sent: &'a [Sent], numbers: &Numbers) -> Vec<&'a Sent> {
    sent.iter().filter(|sent| sent.protocol == 16 && u32::from(sent.kind()) == numbers[FAMILY]).collect()
}

/// `macsec0` and `xpn0`, on devices of their own.
async fn world(lab: &Lab) -> Result<(Node, Macsec, Numbers)> {
    let (node, macsec) = alone(lab).await?;
    macsec.device("macsec0").on("v0").add(MacsecDevice::new()).await?;
    macsec.device("xpn0").on("v1").add(MacsecDevice::new().cipher(CipherSuite::GcmAesXpn256)).await?;
    let family = macsec.connection().family(FAMILY).await?.id;
    let mut numbers = Numbers::from([(FAMILY.to_owned(), family.into())]);
    for dev in ["macsec0", "xpn0"] {
        numbers.insert(dev.to_owned(), node.index_of(dev).await?);
    }
    Ok((node, macsec, numbers))
}
