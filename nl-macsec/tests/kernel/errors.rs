//! Bad input and refusals: who refused, and what to change. The kernel has no text for any of these.

use nl_core::error::{Errno, ErrorKind};
use nl_core::{Connection, Error, Protocol};
use nl_macsec::device::MacsecDevice;
use nl_macsec::{CipherSuite, Macsec, Offload, Sci, SecretKey};
use nl_testkit::{Lab, Result};

use crate::support::{alone, id, key, open, salt, sci, with_device};

const PLAIN: CipherSuite = CipherSuite::GcmAes128;
const XPN: CipherSuite = CipherSuite::GcmAesXpn128;

#[track_caller]
fn refused<T>(outcome: nl_core::Result<T>, text: &str) {
    let error = outcome.err().unwrap_or_else(|| panic!("was not refused: {text}"));
    assert!(error.is_usage(), "{error}");
    assert_eq!(error.to_string(), text);
}

#[track_caller]
fn kernel<T>(outcome: nl_core::Result<T>, errno: Errno, text: &str) -> Error {
    let error = outcome.err().unwrap_or_else(|| panic!("was not refused: {text}"));
    assert_eq!(error.errno(), Some(errno), "{error}");
    assert_eq!(error.to_string(), text);
    error
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", host_root))]
async fn bad_associations_are_refused_with_the_limit(lab: Lab) -> Result {
    let (_node, macsec) = with_device(&lab, PLAIN).await?;
    let new = |an| macsec.tx_sa("macsec0", an).active(true);
    let whole = |an| new(an).key(&key(PLAIN, 7)).key_id(id(1)).next_pn(1);
    let words = |more: &str| format!("add macsec macsec0 tx {more}");
    let full = "key 01000000000000000000000000000000 on";
    refused(
        whole(4).add().await,
        &words(&format!("sa 4 pn 1 {full}: association number 4; 0 to 3 are possible")),
    );
    refused(new(0).add().await, &words("sa 0 on: an association needs a key: key()"));
    refused(
        new(0).key(&key(CipherSuite::GcmAes256, 7)).key_id(id(1)).next_pn(1).add().await,
        &words(&format!("sa 0 pn 1 {full}: a key of 32 bytes; GCM-AES-128 needs 16")),
    );
    refused(
        new(0).key(&key(PLAIN, 7)).next_pn(1).add().await,
        &words("sa 0 pn 1 on: an association needs an identifier of its key: key_id()"),
    );
    refused(
        new(0).key(&key(PLAIN, 7)).key_id(id(1)).add().await,
        &words(&format!("sa 0 {full}: an association that sends needs a packet number: next_pn()")),
    );
    refused(
        whole(0).next_pn(0).add().await,
        &words(&format!("sa 0 pn 0 {full}: packet number 0; 1 to 4294967295 are possible")),
    );
    refused(
        whole(0).next_pn(1 << 32).add().await,
        &words(&format!("sa 0 pn 4294967296 {full}: packet number 4294967296; 1 to 4294967295 are possible")),
    );
    refused(
        whole(0).ssci(1).salt(&salt()).add().await,
        &words(&format!(
            "sa 0 pn 1 ssci 00000001 {full}: GCM-AES-128 has no short SCI, which only the XPN suites have"
        )),
    );
    refused(
        whole(0).salt(&salt()).add().await,
        &words(&format!("sa 0 pn 1 {full}: GCM-AES-128 has no salt, which only the XPN suites have")),
    );
    refused(
        whole(0).update().await,
        "set macsec macsec0 tx sa 0 pn 1 key 01000000000000000000000000000000 on: the key of an association cannot be \
         changed, nor what goes with it: add another association",
    );
    refused(
        macsec.tx_sa("macsec0", 0).update().await,
        "set macsec macsec0 tx sa 0: nothing to change: active(), next_pn() or both",
    );
    refused(
        macsec.rx_sc("macsec0", sci(2, 1)).update().await,
        "set macsec macsec0 rx sci 0200000000020001: nothing to change: active()",
    );
    refused(
        macsec.rx_sc("macsec0", Sci::from_bytes([0xff; 8])).add().await,
        "add macsec macsec0 rx sci ffffffffffffffff: SCI ffffffffffffffff, by which the kernel means that none is given",
    );
    assert!(SecretKey::new(&[1; 24]).is_err());
    assert_eq!(macsec.secy("macsec0").get().await?.tx_sas, []);
    Ok(())
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", host_root))]
async fn extended_packet_numbers_need_a_short_sci_and_a_salt(lab: Lab) -> Result {
    let (_node, macsec) = with_device(&lab, XPN).await?;
    macsec.rx_sc("macsec0", sci(2, 1)).add().await?;
    let tx = || macsec.tx_sa("macsec0", 0).key(&key(XPN, 7)).key_id(id(1)).next_pn(1);
    refused(
        tx().salt(&salt()).add().await,
        "add macsec macsec0 tx sa 0 pn 1 key 01000000000000000000000000000000: GCM-AES-XPN-128 needs a short SCI: ssci()",
    );
    refused(
        tx().ssci(1).add().await,
        "add macsec macsec0 tx sa 0 pn 1 ssci 00000001 key 01000000000000000000000000000000: GCM-AES-XPN-128 needs a \
         salt: salt()",
    );
    let rx = macsec.rx_sa("macsec0", sci(2, 1), 0).key(&key(XPN, 7)).key_id(id(1));
    refused(
        rx.add().await,
        "add macsec macsec0 rx sci 0200000000020001 sa 0 key 01000000000000000000000000000000: GCM-AES-XPN-128 needs a \
         short SCI: ssci()",
    );
    tx().ssci(1).salt(&salt()).next_pn(u64::MAX).add().await?;
    Ok(())
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", host_root))]
async fn refusals_of_the_kernel_get_a_hint(lab: Lab) -> Result {
    let (_node, macsec) = with_device(&lab, PLAIN).await?;
    let tx = |an| macsec.tx_sa("macsec0", an).key(&key(PLAIN, 7)).key_id(id(1)).next_pn(1).active(true);
    tx(0).add().await?;
    let error = kernel(
        tx(0).add().await,
        Errno::EBUSY,
        "add macsec macsec0 tx sa 0 pn 1 key 01000000000000000000000000000000 on: Device or resource busy (EBUSY)\n  \
         hint: association 0 exists: delete it before, or add another one",
    );
    assert!(error.is_busy());
    kernel(
        macsec.tx_sa("macsec0", 0).delete().await,
        Errno::EBUSY,
        "delete macsec macsec0 tx sa 0: Device or resource busy (EBUSY)\n  \
         hint: association 0 is active: update it with active(false) before, or use remove()",
    );
    let error = kernel(
        macsec.tx_sa("macsec0", 1).delete().await,
        Errno::ENODEV,
        "delete macsec macsec0 tx sa 1: No such device (ENODEV)\n  hint: the device has no association 1 that sends",
    );
    assert!(error.is_not_found());
    let rx = |an| macsec.rx_sa("macsec0", sci(2, 1), an).key(&key(PLAIN, 7)).key_id(id(1));
    kernel(
        rx(0).add().await,
        Errno::ENODEV,
        "add macsec macsec0 rx sci 0200000000020001 sa 0 key 01000000000000000000000000000000: No such device (ENODEV)\n  \
         hint: the device has no channel with the SCI 0200000000020001: add it with rx_sc()",
    );
    kernel(
        macsec.rx_sc("macsec0", sci(2, 1)).delete().await,
        Errno::ENODEV,
        "delete macsec macsec0 rx sci 0200000000020001: No such device (ENODEV)\n  \
         hint: the device has no channel with the SCI 0200000000020001",
    );
    macsec.rx_sc("macsec0", sci(2, 1)).add().await?;
    kernel(
        macsec.rx_sa("macsec0", sci(2, 1), 3).active(true).update().await,
        Errno::ENODEV,
        "set macsec macsec0 rx sci 0200000000020001 sa 3 on: No such device (ENODEV)\n  hint: the channel has no association 3",
    );
    // A channel belongs to one device of those on the same one.
    macsec.device("m1").on("v0").add(MacsecDevice::new().port(9)).await?;
    let error = kernel(
        macsec.rx_sc("m1", sci(2, 1)).add().await,
        Errno::EEXIST,
        "add macsec m1 rx sci 0200000000020001: File exists (EEXIST)\n  \
         hint: macsec0 has a channel with this SCI; it can be on one device of those on the same device below",
    );
    assert!(error.is_exists());
    Ok(())
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec"))]
async fn missing_devices_and_other_devices_are_named(lab: Lab) -> Result {
    let (node, macsec) = alone(&lab).await?;
    let error = macsec.tx_sa("macsec7", 0).active(true).update().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(error.to_string(), "set macsec macsec7 tx sa 0 on: No such device (ENODEV)");
    refused(
        macsec.tx_sa("v0", 0).active(true).update().await,
        "set macsec v0 tx sa 0 on: v0 is a veth, not a macsec device",
    );
    refused(macsec.secy("v0").get().await, "get macsec v0: v0 is a veth, not a macsec device");
    refused(macsec.device("v0").delete().await, "delete link v0: v0 is a veth, not a macsec device");
    assert!(node.links().await?.contains(&"v0".to_owned()));
    assert_eq!(macsec.secys().list().await?, []);
    Ok(())
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec"))]
async fn bad_devices_are_refused_with_the_reason(lab: Lab) -> Result {
    let (node, macsec) = alone(&lab).await?;
    let new = MacsecDevice::new;
    let add = |options| macsec.device("m0").on("v0").add(options);
    let words = |why: &str| format!("add link m0 link v0 type macsec: {why}");
    for (options, why) in [
        (new().icv_len(9), "icvlen 9; 8 and 12 to 16 are possible"),
        (new().encoding_sa(4), "association number 4; 0 to 3 are possible"),
        (
            new().replay_protect(true),
            "replay protection without a window, which the kernel requires each time: replay(WINDOW)",
        ),
        (
            new().window(5_u32),
            "a window without replay protection, which would have no effect: replay(WINDOW)",
        ),
        (new().sci(sci(1, 1)).port(2), "sci() and port(): the port is a part of the SCI"),
        (
            new().sci(sci(1, 1)).include_sci(false),
            "frames of a new device with an SCI of its own carry it: leave out include_sci(false), and change it afterwards",
        ),
        (
            new().sci(Sci::from_bytes([0xff; 8])),
            "SCI ffffffffffffffff, by which the kernel means that none is given",
        ),
        (
            new().end_station(true),
            "frames of an end station or a single copy broadcast channel carry no SCI: add include_sci(false)",
        ),
        (
            new().include_sci(false).end_station(true).scb(true),
            "an end station cannot be a single copy broadcast channel: end_station() and scb() exclude each other",
        ),
        (
            new().cipher(XPN).replay(1 << 30),
            "window with extended packet numbers 1073741824; 0 to 1073741823 are possible",
        ),
        (
            new().cipher(CipherSuite::Other(7)),
            "cipher suite 0x0000000000000007, of which neither the length of keys nor that of packet numbers is known",
        ),
    ] {
        refused(add(options).await, &words(why));
    }
    refused(
        macsec.device("m0").add(new()).await,
        "add link m0 type macsec: a macsec is on top of another device: add link()",
    );
    kernel(
        macsec.device("m0").on("lo").add(new()).await,
        Errno::EINVAL,
        "add link m0 link lo type macsec: Invalid argument (EINVAL)\n  hint: lo is not an Ethernet device",
    );
    add(new().port(5)).await?;
    kernel(
        macsec.device("m1").on("v0").add(new().port(5)).await,
        Errno::EBUSY,
        "add link m1 link v0 type macsec: Device or resource busy (EBUSY)\n  \
         hint: m0 on v0 has the SCI 0200000000010005 already: choose another port",
    );
    node.ip("link add name br0 type bridge").await;
    node.ip("link set v1 master br0").await;
    kernel(
        macsec.device("m1").on("v1").add(new()).await,
        Errno::EBUSY,
        "add link m1 link v1 type macsec: Device or resource busy (EBUSY)\n  \
         hint: v1 is a port of a bridge, which takes its frames",
    );
    kernel(
        macsec.device("m2").on("v0").add(new().port(6).offload(Offload::Mac)).await,
        Errno::EOPNOTSUPP,
        "add link m2 link v0 type macsec: Operation not supported (EOPNOTSUPP)\n  \
         hint: v0 cannot offload MACsec in this mode",
    );
    Ok(())
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec"))]
async fn what_a_device_is_made_with_is_refused_in_a_change(lab: Lab) -> Result {
    let (_node, macsec) = with_device(&lab, XPN).await?;
    let new = MacsecDevice::new;
    let made = "is set when a MACsec device is made and cannot be changed";
    for (options, why) in [
        (new().sci(sci(1, 1)), format!("the SCI {made}")),
        (new().port(1), format!("the port {made}")),
        (new().cipher(XPN), format!("the cipher suite {made}")),
        (new().icv_len(16), format!("the length of the ICV {made}")),
        (
            new().offload(Offload::Off),
            "offload of a device that is there is changed with SecyEntry::set_offload(); Linux 6.1 ignores it here".into(),
        ),
        (
            new().end_station(true),
            "frames of an end station or a single copy broadcast channel carry no SCI: add include_sci(false)".into(),
        ),
        (new().replay(1 << 30), "window with extended packet numbers 1073741824; 0 to 1073741823 are possible".into()),
    ] {
        refused(
            macsec.device("macsec0").change(options).await,
            &format!("set link macsec0 type macsec: {why}"),
        );
    }
    // The kernel checks these only within one request.
    macsec.device("macsec0").change(new().include_sci(false).end_station(true)).await?;
    refused(
        macsec.device("macsec0").change(new().scb(true)).await,
        "set link macsec0 type macsec: an end station cannot be a single copy broadcast channel: end_station() and scb() \
         exclude each other",
    );
    Ok(())
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", host_root))]
async fn offload_is_refused_with_the_reason(lab: Lab) -> Result {
    let (_node, macsec) = with_device(&lab, PLAIN).await?;
    kernel(
        macsec.secy("macsec0").set_offload(Offload::Mac).await,
        Errno::EOPNOTSUPP,
        "offload macsec macsec0 mac: Operation not supported (EOPNOTSUPP)\n  \
         hint: the device below cannot offload MACsec (mac), and the kernel does not encrypt in its place",
    );
    refused(
        macsec.secy("macsec0").set_offload(Offload::Other(3)).await,
        "offload macsec macsec0 3: offload 3; 0 to 2 are possible",
    );
    // To what it is.
    macsec.secy("macsec0").set_offload(Offload::Off).await?;
    Ok(())
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", host_root))]
async fn changes_without_privilege_are_eperm(lab: Lab) -> Result {
    let (node, macsec) = with_device(&lab, PLAIN).await?;
    macsec.rx_sc("macsec0", sci(2, 1)).add().await?;
    let errors = node.unprivileged(async || {
        let macsec = Macsec::new(Connection::open(Protocol::Generic)?);
        let (key, peer) = (key(PLAIN, 7), sci(2, 1));
        let secy = macsec.secy("macsec0").get().await?;
        assert_eq!(secy.rx_scs.len(), 1, "reading needs no privilege");
        let tx = macsec.tx_sa("macsec0", 0).key(&key).key_id(id(1)).next_pn(1);
        Ok::<_, Error>([
            tx.add().await.err(),
            macsec.tx_sa("macsec0", 0).active(true).update().await.err(),
            macsec.tx_sa("macsec0", 0).delete().await.err(),
            macsec.rx_sc("macsec0", sci(2, 2)).add().await.err(),
            macsec.rx_sc("macsec0", peer).active(false).update().await.err(),
            macsec.rx_sc("macsec0", peer).delete().await.err(),
            macsec.rx_sa("macsec0", peer, 0).key(&key).key_id(id(1)).add().await.err(),
            macsec.rx_sa("macsec0", peer, 0).active(true).update().await.err(),
            macsec.rx_sa("macsec0", peer, 0).delete().await.err(),
            macsec.secy("macsec0").set_offload(Offload::Off).await.err(),
            macsec.secy("macsec0").set_encoding_sa(1).await.err(),
            macsec.device("m1").on("v0").add(MacsecDevice::new().port(3)).await.err(),
            macsec.device("macsec0").change(MacsecDevice::new().encrypt(true)).await.err(),
            macsec.device("macsec0").delete().await.err(),
        ])
    });
    let words = [
        "add macsec macsec0 tx sa 0",
        "set macsec macsec0 tx sa 0",
        "delete macsec macsec0 tx sa 0",
        "add macsec macsec0 rx sci 0200000000020002",
        "set macsec macsec0 rx sci 0200000000020001",
        "delete macsec macsec0 rx sci 0200000000020001",
        "add macsec macsec0 rx sci 0200000000020001 sa 0",
        "set macsec macsec0 rx sci 0200000000020001 sa 0",
        "delete macsec macsec0 rx sci 0200000000020001 sa 0",
        "offload macsec macsec0",
        "set link macsec0",
        "add link m1 link v0",
        "set link macsec0",
        "delete link macsec0",
    ];
    for (number, (error, words)) in errors.await??.into_iter().zip(words).enumerate() {
        let error = error.ok_or(format!("number {number} was not refused"))?;
        assert!(error.is_permission() && error.errno() == Some(Errno::EPERM), "{error}");
        assert!(matches!(error.kind(), ErrorKind::Kernel(_)), "{error}");
        assert!(error.operation().is_some_and(|operation| operation.starts_with(words)), "{words}: {error}");
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        assert!(first.ends_with(": Operation not permitted (EPERM)"), "{error}");
        let of_the_family = number < 10;
        assert_eq!(
            error.hint().is_some_and(|hint| hint.contains("initial user namespace")),
            of_the_family,
            "{error}"
        );
    }
    Ok(())
}

/// A connection to another protocol is a mistake of the program, and is called that.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec"))]
async fn connection_of_another_protocol_is_refused(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let macsec = Macsec::new(node.open(|| Connection::open(Protocol::Route)).await?);
    let error = macsec.secys().list().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    assert!(open(&node).await?.secys().list().await?.is_empty());
    Ok(())
}
