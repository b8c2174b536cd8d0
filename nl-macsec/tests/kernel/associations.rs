//! Channels and associations both ways, with all four cipher suites.

use std::fmt;

use nl_macsec::{CipherSuite, Macsec, Sci};
use nl_testkit::oracle::both_ways::{Case, Object, Step, check};
use nl_testkit::{Lab, Node, Result};
use serde_json::{Value, json};

use crate::support::{SALT, id, key, key_hex, salt, sci, shown, with_device, word};

/// An association of `macsec0`, that sends, or of a channel.
#[derive(Clone, Copy)]
struct Ours {
    suite: CipherSuite,
    from: Option<Sci>,
    an: u8,
    pn: Option<u64>,
    active: Option<bool>,
    key: u8,
}

impl fmt::Debug for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} sa {}", self.suite, if self.from.is_some() { "rx" } else { "tx" }, self.an)
    }
}

struct Associations<'a> {
    node: &'a Node,
    macsec: &'a Macsec,
}

impl Ours {
    /// The words that name it.
    fn name(&self) -> String {
        match self.from {
            Some(sci) => format!("macsec0 rx sci {sci} sa {}", self.an),
            None => format!("macsec0 tx sa {}", self.an),
        }
    }

    fn words(&self) -> String {
        let mut words = String::new();
        if let Some(pn) = self.pn {
            words += &format!("{} {pn} ", if self.suite.is_xpn() { "xpn" } else { "pn" });
        }
        if self.suite.is_xpn() {
            words += &format!("salt {SALT} ssci {:x} ", self.key);
        }
        words += match self.active {
            None => "",
            Some(true) => "on ",
            Some(false) => "off ",
        };
        words + &format!("key {:02x} {}", self.key, key_hex(self.suite, self.key))
    }

    fn case(self) -> Case<Self> {
        let mut shown = json!({
            "an": self.an,
            "pn": self.pn.unwrap_or(1),
            "active": self.active == Some(true),
            "key": id(self.key).to_string(),
        });
        if self.suite.is_xpn() {
            shown["ssci"] = format!("{:#x}", self.key).into();
        }
        Case::new(self, self.words()).shown(shown)
    }
}

/// What both kinds have in common: number, packet number, state, key identifier, short SCI.
type Read = (u8, u64, bool, String, Option<u32>);

impl Object for Associations<'_> {
    type Ours = Ours;
    type Read = Read;

    async fn set(&self, ours: &Ours) -> Result {
        let (the_key, the_id) = (key(ours.suite, ours.key), id(ours.key));
        macro_rules! with_options {
            ($entry:expr) => {{
                let mut entry = $entry.key(&the_key).key_id(the_id);
                if let Some(pn) = ours.pn {
                    entry = entry.next_pn(pn);
                }
                if let Some(active) = ours.active {
                    entry = entry.active(active);
                }
                if ours.suite.is_xpn() {
                    entry = entry.ssci(u32::from(ours.key)).salt(&salt());
                }
                entry
            }};
        }
        match ours.from {
            Some(sci) => with_options!(self.macsec.rx_sa("macsec0", sci, ours.an)).add().await?,
            None => with_options!(self.macsec.tx_sa("macsec0", ours.an)).add().await?,
        };
        Ok(())
    }

    async fn remove(&self, ours: &Ours) -> Result {
        match ours.from {
            Some(sci) => self.macsec.rx_sa("macsec0", sci, ours.an).remove().await?,
            None => self.macsec.tx_sa("macsec0", ours.an).remove().await?,
        };
        Ok(())
    }

    async fn read(&self, ours: &Ours, _after: Step) -> Result<Option<Read>> {
        let read = match ours.from {
            Some(sci) => self.macsec.rx_sa("macsec0", sci, ours.an).get().await.map(|sa| {
                (sa.an.get(), sa.next_pn, sa.active, sa.key_id.to_string(), sa.ssci.map(|ssci| ssci.get()))
            }),
            None => self.macsec.tx_sa("macsec0", ours.an).get().await.map(|sa| {
                (sa.an.get(), sa.next_pn, sa.active, sa.key_id.to_string(), sa.ssci.map(|ssci| ssci.get()))
            }),
        };
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn iproute2_sets(&self, ours: &Ours, words: &str) -> Result {
        self.node.ip(&format!("macsec add {} {words}", ours.name())).await;
        Ok(())
    }

    async fn iproute2_removes(&self, ours: &Ours, _words: &str) -> Result {
        self.node.ip(&format!("macsec set {} off", ours.name())).await;
        self.node.ip(&format!("macsec del {}", ours.name())).await;
        Ok(())
    }

    async fn shown(&self, ours: &Ours, _after: Step) -> Result<Value> {
        let device = shown(self.node, "macsec0").await;
        let empty = Vec::new();
        let list = match ours.from {
            None => device["sa_list"].as_array(),
            Some(sci) => channel_of(&device["rx_sc"], sci)["sa_list"].as_array(),
        };
        Ok(list.unwrap_or(&empty).iter().find(|sa| sa["an"] == ours.an).cloned().unwrap_or_default())
    }

    fn compare(&self, ours: &Ours, read: &Read) -> Result {
        let ssci = ours.suite.is_xpn().then(|| u32::from(ours.key));
        let set = (ours.an, ours.pn.unwrap_or(1), ours.active == Some(true), id(ours.key).to_string(), ssci);
        assert_eq!(*read, set);
        Ok(())
    }
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root), timeout = 120)]
async fn associations_go_both_ways_in_every_suite(lab: Lab) -> Result {
    let (node, macsec) = with_device(&lab, CipherSuite::GcmAes128).await?;
    let peer = sci(2, 1);
    for suite in CipherSuite::ALL {
        macsec.device("macsec0").delete().await?;
        node.ip(&format!("link add link v0 name macsec0 type macsec cipher {}", word(suite))).await;
        macsec.rx_sc("macsec0", peer).add().await?;
        let sa = |from, an, pn, active| Ours { suite, from, an, pn, active, key: an + 1 }.case();
        let largest = Some(suite.max_packet_number());
        let cases = [
            sa(None, 0, Some(1), None),
            sa(None, 1, Some(1024), Some(true)),
            sa(None, 3, largest, Some(false)),
            sa(Some(peer), 0, Some(1), None),
            sa(Some(peer), 1, Some(100), Some(true)),
            sa(Some(peer), 3, largest, Some(false)),
        ];
        check(&Associations { node: &node, macsec: &macsec }, cases).await;
    }
    Ok(())
}

/// What other libraries get wrong: a change of the packet number must not switch the association off.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root))]
async fn updating_the_packet_number_leaves_the_association_active(lab: Lab) -> Result {
    for suite in [CipherSuite::GcmAes128, CipherSuite::GcmAesXpn128] {
        let (node, macsec) = match lab.nodes().first() {
            None => with_device(&lab, suite).await?,
            Some(node) => {
                let macsec = crate::support::open(node).await?;
                macsec.device("macsec0").delete().await?;
                node.ip(&format!("link add link v0 name macsec0 type macsec cipher {}", word(suite))).await;
                (node.clone(), macsec)
            }
        };
        let peer = sci(2, 1);
        macsec.rx_sc("macsec0", peer).add().await?;
        let objects = Associations { node: &node, macsec: &macsec };
        let tx = Ours { suite, from: None, an: 0, pn: Some(5), active: Some(true), key: 1 };
        let rx = Ours { suite, from: Some(peer), an: 2, pn: Some(5), active: Some(true), key: 1 };
        objects.set(&tx).await?;
        objects.set(&rx).await?;
        macsec.tx_sa("macsec0", 0).next_pn(77).update().await?;
        macsec.rx_sa("macsec0", peer, 2).next_pn(78).update().await?;
        for (ours, pn) in [(&tx, 77), (&rx, 78)] {
            let shown = objects.shown(ours, Step::SetByUs).await?;
            assert_eq!((&shown["pn"], &shown["active"]), (&json!(pn), &json!(true)), "{ours:?}");
        }
        // And the other way round.
        macsec.tx_sa("macsec0", 0).active(false).update().await?;
        macsec.rx_sa("macsec0", peer, 2).active(false).update().await?;
        for (ours, pn) in [(&tx, 77), (&rx, 78)] {
            let shown = objects.shown(ours, Step::SetByUs).await?;
            assert_eq!((&shown["pn"], &shown["active"]), (&json!(pn), &json!(false)), "{ours:?}");
        }
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root))]
async fn channels_go_both_ways(lab: Lab) -> Result {
    let (node, macsec) = with_device(&lab, CipherSuite::GcmAes128).await?;
    let channels = || async { shown(&node, "macsec0").await["rx_sc"].clone() };
    let (first, second) = (sci(2, 1), sci(2, 0xffff));
    macsec.rx_sc("macsec0", first).add().await?;
    macsec.rx_sc("macsec0", second).active(false).add().await?;
    let by_us = channels().await;
    assert_eq!(by_us.as_array().unwrap().len(), 2, "{by_us:#}");
    let state = |from: Sci| channel_of(&by_us, from)["active"].clone();
    assert_eq!((state(first), state(second)), (json!(true), json!(false)), "{by_us:#}");
    macsec.rx_sc("macsec0", first).active(false).update().await?;
    assert!(!macsec.rx_sc("macsec0", first).get().await?.active);
    macsec.rx_sc("macsec0", first).active(true).update().await?;
    for sci in [first, second] {
        macsec.rx_sc("macsec0", sci).delete().await?;
    }
    assert_eq!(macsec.secy("macsec0").get().await?.rx_scs, []);

    // iproute2 insists on a packet number, the kernel does not.
    macsec.rx_sc("macsec0", first).add().await?;
    macsec.rx_sa("macsec0", first, 0).key(&key(CipherSuite::GcmAes128, 1)).key_id(id(1)).add().await?;
    assert_eq!(channel_of(&channels().await, first)["sa_list"][0]["pn"], 1);
    macsec.rx_sc("macsec0", first).delete().await?;

    node.ip("macsec add macsec0 rx port 1 address 02:00:00:00:00:02").await;
    node.ip("macsec add macsec0 rx port 65535 address 02:00:00:00:00:02 off").await;
    assert_eq!(channels().await, by_us);
    let read = macsec.secy("macsec0").get().await?;
    let states = |from| read.rx_sc(from).map(|channel| channel.active);
    assert_eq!((states(first), states(second)), (Some(true), Some(false)));
    Ok(())
}

/// The channel of a sender in what iproute2 shows.
fn channel_of(channels: &Value, from: Sci) -> &Value {
    let number = u64::from_be_bytes(from.bytes());
    let is_it = |channel: &&Value| {
        let sci = &channel["sci"];
        *sci == from.to_string()
            || *sci == format!("{number:#x}")
            || *sci == json!(number)
            || *sci == format!("{number:x}")
    };
    let found = channels.as_array().and_then(|channels| channels.iter().find(is_it));
    found.unwrap_or_else(|| panic!("{from} is not in {channels:#}"))
}
