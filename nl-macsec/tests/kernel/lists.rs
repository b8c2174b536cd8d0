//! Lists: complete, with every counter, or an error that names what is missing.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt, TryStreamExt};
use nl_core::error::Errno;
use nl_macsec::device::MacsecDevice;
use nl_macsec::rx_sa::RxSa;
use nl_macsec::rx_sc::RxSc;
use nl_macsec::secy::Secy;
use nl_macsec::{CipherSuite, FAMILY, Macsec, SaConfig, Verb};
use nl_testkit::{Lab, Result};

use crate::support::{alone, id, key, open, sci};

const PLAIN: CipherSuite = CipherSuite::GcmAes128;

/// Devices on `v0` with channels of four associations each, made in bulk.
async fn fill(macsec: &Macsec, devices: u16, channels: u16) -> Result {
    let family = macsec.connection().family(FAMILY).await?.id;
    let mut requests = Vec::new();
    for device in 0..devices {
        let name = format!("m{device}");
        let link = macsec.device(&*name).on("v0").add(MacsecDevice::new().port(1000 + device)).await?;
        for channel in 0..channels {
            let from = sci(2, device * channels + channel);
            requests.push(RxSc::new(link.index, from).request(family, Verb::Add));
            for an in 0..4 {
                let sa = SaConfig::new(an).key(&key(PLAIN, an + 1)).key_id(id(an + 1)).active(true);
                requests.push(RxSa::new(link.index, from, sa).request(family, PLAIN, Verb::Add));
            }
        }
    }
    let mut results = macsec.connection().batch(requests);
    while let Some(result) = results.next().await {
        result?;
    }
    Ok(())
}

/// A list, again where a device of another namespace interrupted it, which another test made: the kernel counts those of all together.
async fn uninterrupted(macsec: &Macsec) -> nl_core::Result<Vec<Secy>> {
    loop {
        match macsec.secys().list().await {
            Err(error) if error.is_interrupted() => {}
            listed => return listed,
        }
    }
}

/// The kernel's silent end of a list on a new socket does not reach the caller.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", host_root), timeout = 120)]
async fn list_on_a_new_socket_is_complete(lab: Lab) -> Result {
    let (node, macsec) = alone(&lab).await?;
    fill(&macsec, 3, 20).await?;
    // What the kernel does: a socket that has received nothing yet gets a list without any of them.
    let raw = open(&node).await?;
    let family = raw.connection().family(FAMILY).await?.id;
    let dump = raw.connection().dump(Secy::list_request(family), |message| Secy::decode(message).map(Some));
    let naive = dump.collect_all().await?.len();
    assert!(naive < 3, "the kernel reports all {naive} devices to a new socket: the defect is gone");
    for _ in 0..3 {
        // Each with a new connection.
        let secys = uninterrupted(&open(&node).await?).await?;
        assert_eq!(secys.len(), 3);
        for secy in secys {
            assert_eq!(secy.rx_scs.len(), 20);
            assert!(secy.rx_scs.iter().all(|channel| channel.sas.len() == 4));
        }
    }
    Ok(())
}

/// Of devices the kernel says so; of channels and associations it does not.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec"), timeout = 120)]
async fn list_during_which_a_device_was_added_is_interrupted_and_named(lab: Lab) -> Result {
    // More than a piece of a list holds.
    const MANY: u16 = 120;
    let (node, macsec) = alone(&lab).await?;
    for number in 0..MANY {
        let name = format!("m{number}");
        macsec.device(&*name).on("v0").add(MacsecDevice::new().port(1000 + number)).await?;
    }
    let conn = open(&node).await?.connection().clone();
    let family = conn.family(FAMILY).await?.id;
    let mut list = conn.dump(Secy::list_request(family), |message| Secy::decode(message).map(Some));
    assert!(list.try_next().await?.is_some());
    macsec.device("late").on("v0").add(MacsecDevice::new().port(2000)).await?;
    let error = loop {
        match list.try_next().await {
            Ok(entry) => assert!(entry.is_some(), "the list of devices ended as if nothing had changed"),
            Err(error) => break error,
        }
    };
    assert!(error.is_interrupted() && error.errno().is_none(), "{error}");
    let text = "list macsec devices: the table changed while it was read (NLM_F_DUMP_INTR)";
    assert_eq!(error.to_string(), text);
    Ok(())
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", host_root), timeout = 120)]
async fn device_beyond_the_kernels_buffer_is_an_error_that_names_it(lab: Lab) -> Result {
    let (_node, macsec) = alone(&lab).await?;
    fill(&macsec, 1, 66).await?;
    macsec.device("small").on("v0").add(MacsecDevice::new().port(2000)).await?;
    let error = uninterrupted(&macsec).await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EMSGSIZE), "{error}");
    assert!(error.to_string().contains("the kernel left out m0"), "{error}");
    let listing = macsec.secys().list_readable().await?;
    assert!(listing.missing.iter().any(|missing| missing.name == *"m0"), "{listing:?}");
    assert_eq!(listing.secys.len() + listing.missing.len(), 2);
    let error = macsec.secy("m0").get().await.unwrap_err();
    assert!(error.to_string().starts_with("get macsec m0: Message too long (EMSGSIZE)"), "{error}");
    // And it can be deleted.
    macsec.device("m0").delete().await?;
    assert_eq!(uninterrupted(&macsec).await?.len(), 1);
    Ok(())
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", host_root, vm), timeout = 240)]
async fn fifty_devices_with_sixty_channels_are_listed(lab: Lab) -> Result {
    let (node, macsec) = alone(&lab).await?;
    // 12,000 associations; each has a cipher of its own in the kernel.
    fill(&macsec, 50, 60).await?;
    is_complete(&uninterrupted(&macsec).await?);

    // Channels and associations change meanwhile.
    let other = open(&node).await?;
    let is_listed = AtomicBool::new(false);
    let changes = async {
        let mut round = 0_u16;
        while !is_listed.load(Ordering::Relaxed) {
            let (device, channel) = (round % 50, round % 60);
            let (name, from) = (format!("m{device}"), sci(2, device * 60 + channel));
            other.rx_sc(&*name, from).active(round.is_multiple_of(2)).update().await?;
            other.rx_sa(&*name, from, 1).active(round.is_multiple_of(2)).update().await?;
            round = round.wrapping_add(1);
        }
        Result::Ok(round)
    };
    let lists = async {
        let mut lists = Vec::new();
        for _ in 0..6 {
            lists.push(uninterrupted(&macsec).await);
        }
        is_listed.store(true, Ordering::Relaxed);
        lists
    };
    let (changed, lists) = tokio::join!(changes, lists);
    assert!(changed? > 0);
    for listed in lists {
        is_complete(&listed?);
    }
    Ok(())
}

/// Devices that come and go interrupt a list. However large the others are, it is then complete or says so.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", host_root), timeout = 120)]
async fn list_while_devices_come_and_go_is_complete_or_interrupted(lab: Lab) -> Result {
    let (node, macsec) = alone(&lab).await?;
    // None of them fits the kernel's buffer on a new socket.
    fill(&macsec, 3, 20).await?;
    let other = open(&node).await?;
    let is_listed = AtomicBool::new(false);
    let changes = async {
        let mut rounds = 0_u32;
        while !is_listed.load(Ordering::Relaxed) {
            other.device("extra").on("v0").add(MacsecDevice::new().port(9)).await?;
            other.device("extra").delete().await?;
            rounds += 1;
        }
        Result::Ok(rounds)
    };
    let lists = async {
        let mut lists = Vec::new();
        for _ in 0..6 {
            lists.push(macsec.secys().list().await);
        }
        is_listed.store(true, Ordering::Relaxed);
        lists
    };
    let (rounds, lists) = tokio::join!(changes, lists);
    assert!(rounds? > 0);
    for listed in lists {
        match listed {
            Ok(secys) => assert_eq!(secys.iter().filter(|secy| secy.rx_scs.len() == 20).count(), 3),
            Err(error) => assert!(error.is_interrupted(), "{error}"),
        }
    }
    assert_eq!(uninterrupted(&macsec).await?.len(), 3);
    Ok(())
}

/// Whether all 50 devices are there, with 60 channels of four associations each.
fn is_complete(secys: &[Secy]) {
    let whole =
        |secy: &&Secy| secy.rx_scs.len() == 60 && secy.rx_scs.iter().all(|channel| channel.sas.len() == 4);
    assert_eq!(secys.iter().filter(whole).count(), 50, "of {} devices", secys.len());
}

/// Everybody may list devices with their options, and generic netlink is not asked.
#[nl_testkit::test(needs(link = "nlmon", link = "macsec", tool = "ip"))]
async fn devices_are_listed_with_their_options_by_one_list_of_links(lab: Lab) -> Result {
    let (node, _) = alone(&lab).await?;
    node.ip("link add link v0 name m0 type macsec port 5 encrypt on").await;
    node.ip("link add link v1 name m1 type macsec cipher gcm-aes-xpn-256 replay on window 64").await;
    let macsec = open(&node).await?;
    let mut recording = node.record().await?;
    let devices = macsec.devices().list().await?;
    let sent = recording.take()?;
    // The lists of the kernel come in any order.
    let mut listed: Vec<_> = devices
        .iter()
        .map(|device| {
            (device.link.name.as_str(), device.options.encrypt, device.options.cipher, device.options.window)
        })
        .collect();
    listed.sort_by_key(|device| device.0);
    assert_eq!(
        listed,
        [
            ("m0", Some(true), Some(PLAIN), None),
            ("m1", Some(false), Some(CipherSuite::GcmAesXpn256), Some(64)),
        ]
    );
    assert!(sent.iter().all(|sent| sent.protocol == 0), "NETLINK_ROUTE alone: {sent:?}");
    assert_eq!(sent.iter().filter(|sent| sent.kind() == 18).count(), 1, "one RTM_GETLINK: {sent:?}");
    Ok(())
}

/// Every counter is where iproute2 has it.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root))]
async fn device_equals_what_iproute2_shows(lab: Lab) -> Result {
    let (node, macsec) = alone(&lab).await?;
    let options = MacsecDevice::new().port(7).encrypt(true).replay(64).encoding_sa(1);
    macsec.device("m0").on("v0").up().add(options).await?;
    macsec.rx_sc("m0", sci(2, 1)).add().await?;
    macsec.rx_sa("m0", sci(2, 1), 0).key(&key(PLAIN, 1)).key_id(id(1)).active(true).add().await?;
    macsec.tx_sa("m0", 1).key(&key(PLAIN, 2)).key_id(id(2)).next_pn(9).active(true).add().await?;
    let secy = macsec.secy("m0").get().await?;
    let shown = node.ip("macsec show m0").await;
    let shown: Vec<_> =
        shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let ours = secy.to_string();
    for line in ours.lines().skip(1).map(str::trim) {
        assert!(shown.contains(&line.to_owned()), "{line:?} is not in {shown:#?}");
    }
    assert_eq!((secy.window, secy.encoding().map(|sa| sa.next_pn)), (Some(64), Some(9)));
    Ok(())
}
