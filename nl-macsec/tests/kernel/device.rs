//! Devices: what we make iproute2 shows, what iproute2 makes we read, and the requests are the same.

use nl_core::link::{LinkConfig, LinkVerb};
use nl_core::message::NLM_F_ACK;
use nl_macsec::device::MacsecDevice;
use nl_macsec::{CipherSuite, Macsec, Offload, Sci, Validation};
use nl_testkit::oracle::both_ways::{Case, Object, Step, check};
use nl_testkit::oracle::{Attr, BytesOracle, Field, Shape};
use nl_testkit::{Lab, Node, Result, kernel_version};
use serde_json::{Value, json};

use crate::support::{alone, sci, word};

/// The device `m0` on `v0`.
struct Device<'a> {
    node: &'a Node,
    macsec: &'a Macsec,
}

impl Object for Device<'_> {
    type Ours = MacsecDevice;
    type Read = MacsecDevice;

    async fn set(&self, ours: &MacsecDevice) -> Result {
        let link = self.macsec.device("m0").on("v0").add(ours.clone()).await?;
        assert_eq!(link.name, "m0");
        Ok(())
    }

    async fn remove(&self, _ours: &MacsecDevice) -> Result {
        self.macsec.device("m0").delete().await?;
        Ok(())
    }

    async fn read(&self, _ours: &MacsecDevice, _after: Step) -> Result<Option<MacsecDevice>> {
        match self.macsec.device("m0").get().await {
            Ok((_, options)) => Ok(Some(options)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn iproute2_sets(&self, ours: &MacsecDevice, words: &str) -> Result {
        let line = format!("ip link add link v0 name m0 type macsec {words}");
        let (output, sent) = self.node.requests_of(&line).await?;
        assert!(output.status.success(), "{output}");
        let theirs: Vec<_> = sent
            .iter()
            .filter(|sent| sent.protocol == 0 && sent.kind() == 16 && sent.flags() & 0x400 != 0)
            .collect();
        assert_eq!(theirs.len(), 1, "{line} sent {sent:?}");
        let mut config = LinkConfig::new("m0").kind(ours.clone());
        config.link = Some(self.node.index_of("v0").await?.into());
        let mut request = config.request(LinkVerb::Add).with_flags(NLM_F_ACK);
        BytesOracle::new(&LINK).check(&line, request.encoded()?, &theirs[0].message);
        Ok(())
    }

    async fn iproute2_removes(&self, _ours: &MacsecDevice, _words: &str) -> Result {
        self.node.ip("link del m0").await;
        Ok(())
    }

    async fn shown(&self, _ours: &MacsecDevice, _after: Step) -> Result<Value> {
        let devices = self.node.json("ip -j -d link show type macsec").await;
        Ok(devices[0]["linkinfo"]["info_data"].clone())
    }

    /// What was set is read, but for the port, which is in the SCI.
    fn compare(&self, ours: &MacsecDevice, read: &MacsecDevice) -> Result {
        let mut expected = ours.clone();
        expected.port = None;
        let Value::Object(expected) = json_of(&expected) else { panic!("no object") };
        for (name, value) in expected.iter().filter(|(_, value)| !value.is_null()) {
            let offload_on_6_1 = name == "offload" && kernel_version() < (6, 3);
            assert!(offload_on_6_1 || json_of(read)[name] == *value, "{name}: {value} set, {read:?} read");
        }
        Ok(())
    }
}

fn json_of(options: &MacsecDevice) -> Value {
    let bool = |option: Option<bool>| json!(option);
    json!({
        "sci": options.sci.map(|sci| sci.to_string()),
        "cipher": options.cipher.map(|suite| suite.to_string()),
        "icv_len": options.icv_len,
        "encoding_sa": options.encoding_sa.map(|an| an.get()),
        "validation": options.validation.map(|mode| mode.to_string()),
        "encrypt": bool(options.encrypt),
        "protect": bool(options.protect),
        "include_sci": bool(options.include_sci),
        "end_station": bool(options.end_station),
        "scb": bool(options.scb),
        "replay_protect": bool(options.replay_protect),
        "window": options.window,
        "offload": options.offload.map(|mode| mode.to_string()),
    })
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip"), timeout = 120)]
async fn options_go_both_ways(lab: Lab) -> Result {
    let (node, macsec) = alone(&lab).await?;
    let new = MacsecDevice::new;
    let own: Sci = "0a0b0c0d0e0f002a".parse()?;
    let mut cases = vec![
        Case::new(new(), ""),
        Case::new(new().port(42), "port 42"),
        Case::new(new().sci(own), "sci 0a0b0c0d0e0f002a"),
        Case::new(new().encrypt(true), "encrypt on"),
        Case::new(new().encrypt(false).protect(false), "encrypt off protect off"),
        Case::new(new().validation(Validation::Disabled), "validate disabled"),
        Case::new(new().validation(Validation::Check), "validate check"),
        Case::new(new().validation(Validation::Strict), "validate strict"),
        Case::new(new().replay(0), "replay on window 0"),
        Case::new(new().replay(u32::MAX - 1), "replay on window 4294967294"),
        Case::new(new().include_sci(false), "send_sci off"),
        Case::new(new().include_sci(false).end_station(true), "send_sci off end_station on"),
        Case::new(new().include_sci(false).scb(true), "send_sci off scb on"),
        Case::new(new().encoding_sa(3), "encodingsa 3"),
        Case::new(new().offload(Offload::Off), "offload off"),
        Case::new(new().icv_len(8), "icvlen 8"),
        Case::new(new().icv_len(12), "icvlen 12"),
        Case::new(
            new().port(42).cipher(CipherSuite::GcmAesXpn256).encrypt(true).replay((1 << 30) - 1),
            "port 42 cipher gcm-aes-xpn-256 encrypt on replay on window 1073741823",
        ),
    ];
    for suite in CipherSuite::ALL {
        cases.push(Case::new(new().cipher(suite), format!("cipher {}", word(suite))));
    }
    check(&Device { node: &node, macsec: &macsec }, cases).await;
    Ok(())
}

/// One option after another is changed by us and shown by iproute2, and the others stay.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip"))]
async fn changing_one_option_preserves_the_others(lab: Lab) -> Result {
    let (node, macsec) = alone(&lab).await?;
    let made = MacsecDevice::new().port(7).cipher(CipherSuite::GcmAes256).encrypt(true);
    macsec.device("m0").on("v0").add(made).await?;
    let options = || async { node.json("ip -j -d link show m0").await[0]["linkinfo"]["info_data"].clone() };
    let mut expected = options().await;
    let new = MacsecDevice::new;
    let changes = [
        (new().encrypt(false), json!({ "encrypt": false })),
        (new().validation(Validation::Check), json!({ "validation": "check" })),
        (new().encoding_sa(2), json!({ "encoding_sa": 2 })),
        (new().replay(32), json!({ "replay_protect": true, "window": 32 })),
        (new().include_sci(false), json!({ "inc_sci": false })),
        (new().end_station(true), json!({ "es": true })),
        (new().end_station(false).scb(true), json!({ "es": false, "scb": true })),
        (new().protect(false), json!({ "protect": false })),
    ];
    for (change, shown) in changes {
        let text = change.to_string();
        macsec.device("m0").change(change).await?;
        for (key, value) in shown.as_object().unwrap() {
            assert!(expected.get(key).is_some() || key == "window", "{key} is not in {expected:#}");
            expected[key] = value.clone();
        }
        assert_eq!(options().await, expected, "{text}");
    }
    Ok(())
}

/// Both identifiers of GCM-AES-128 are the same suite, whoever made the device.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip"))]
async fn gcm_aes_128_is_read_from_both_of_its_identifiers(lab: Lab) -> Result {
    let (node, macsec) = alone(&lab).await?;
    node.ip("link add link v0 name m0 type macsec port 1 cipher default").await;
    macsec.device("m1").on("v0").add(MacsecDevice::new().port(2).cipher(CipherSuite::GcmAes128)).await?;
    for dev in ["m0", "m1"] {
        assert_eq!(macsec.device(dev).get().await?.1.cipher, Some(CipherSuite::GcmAes128));
        assert_eq!(macsec.secy(dev).get().await?.cipher, CipherSuite::GcmAes128);
    }
    Ok(())
}

/// The SCI of a device, and its MTU, are as the documentation says.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec"))]
async fn new_device_is_returned_with_its_sci_and_mtu(lab: Lab) -> Result {
    let (_node, macsec) = alone(&lab).await?;
    let link = macsec.device("m0").on("v0").up().add(MacsecDevice::new().port(42)).await?;
    assert_eq!((link.mtu, link.is_up()), (1468, true));
    let options = link.kind::<MacsecDevice>().unwrap()?;
    assert_eq!(options.sci, Some(sci(1, 42)));
    assert_eq!(
        (options.encrypt, options.replay_protect, options.include_sci),
        (Some(false), Some(false), Some(true))
    );
    Ok(())
}

// include/uapi/linux/if_link.h
const OPTIONS: &[Attr] = &[
    Attr::new(1, "SCI"),
    Attr::new(2, "PORT"),
    Attr::new(3, "ICV_LEN"),
    Attr::new(4, "CIPHER_SUITE"),
    Attr::new(5, "WINDOW"),
    Attr::new(6, "ENCODING_SA"),
    Attr::new(7, "ENCRYPT"),
    Attr::new(8, "PROTECT"),
    Attr::new(9, "INC_SCI"),
    Attr::new(10, "ES"),
    Attr::new(11, "SCB"),
    Attr::new(12, "REPLAY_PROTECT"),
    Attr::new(13, "VALIDATION"),
    Attr::new(15, "OFFLOAD"),
];
const LINK: Shape = Shape::new(
    "ifinfomsg",
    &[
        Field::new("family", 1),
        Field::new("pad", 1),
        Field::new("type", 2),
        Field::new("index", 4),
        Field::new("flags", 4),
        Field::new("change", 4),
    ],
)
.attrs(&[
    Attr::new(3, "IFNAME"),
    Attr::new(5, "LINK"),
    Attr::nest(18, "LINKINFO", &[Attr::new(1, "KIND"), Attr::nest(2, "DATA", OPTIONS)]),
]);
