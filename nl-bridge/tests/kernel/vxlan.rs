//! Every option of a VXLAN device, alone: made and changed by us and by iproute2.

use std::net::IpAddr;
use std::time::Duration;

use nl_bridge::Vni;
use nl_bridge::vxlan::{LabelPolicy, Vxlan, VxlanDf};
use nl_core::error::{Errno, ErrorKind, KernelVersion};
use nl_core::link::{LinkKind, LinkVerb, Links};
use nl_core::{Error, MacAddr};
use nl_testkit::{Lab, Node, Result};
use serde_json::{Value, json};

use crate::kinds::{difference, info, links, same_bytes};
use crate::support::kernel;

const ADDRESS: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 7]);

/// A device: the words of `ip link add … type vxlan`, ours for them, and part of what iproute2 then shows.
struct Line {
    words: &'static str,
    ours: fn(Vxlan) -> Vxlan,
    shown: Value,
    since: (u16, u16),
}

fn line(words: &'static str, ours: fn(Vxlan) -> Vxlan, shown: Value) -> Line {
    Line { words, ours, shown, since: (4, 0) }
}

impl Line {
    fn since(mut self, major: u16, minor: u16) -> Self {
        self.since = (major, minor);
        self
    }

    fn is_there(&self) -> bool {
        let (major, minor) = kernel();
        (major, minor) >= (self.since.0.into(), self.since.1.into())
    }

    /// What there is, changed by the option.
    fn change(&self) -> Vxlan {
        (self.ours)(Vxlan::change())
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn vni(number: u32) -> Vni {
    Vni::new(number).unwrap()
}

/// Options of which each makes a device with VNI 100 on port 4789.
fn lines() -> Vec<Line> {
    vec![
        line("", |v| v, json!({ "id": 100, "port": 4789, "external": false })),
        line("remote 192.0.2.7", |v| v.remote(ip("192.0.2.7")), json!({ "remote": "192.0.2.7" })),
        line("remote 2001:db8::7", |v| v.remote(ip("2001:db8::7")), json!({ "remote6": "2001:db8::7" })),
        line(
            "group 239.1.1.1 dev v0",
            |v| v.group(ip("239.1.1.1")).link("v0"),
            json!({ "group": "239.1.1.1", "link": "v0" }),
        ),
        line(
            "group ff05::1 dev v0",
            |v| v.group(ip("ff05::1")).link("v0"),
            json!({ "group6": "ff05::1", "link": "v0" }),
        ),
        line("local 192.0.2.1", |v| v.local(ip("192.0.2.1")), json!({ "local": "192.0.2.1" })),
        line("local 2001:db8::1", |v| v.local(ip("2001:db8::1")), json!({ "local6": "2001:db8::1" })),
        line("dev v0", |v| v.link("v0"), json!({ "link": "v0" })),
        line("ttl 64", |v| v.ttl(64), json!({ "ttl": 64 })),
        line("ttl auto", |v| v.ttl(0), json!({ "ttl": 0 })),
        line("tos 0x10", |v| v.tos(16), json!({ "tos": "0x10" })),
        line("tos inherit", |v| v.tos(1), json!({ "tos": "0x1" })),
        line("df set", |v| v.df(VxlanDf::Set), json!({ "df": "set" })),
        line("df inherit", |v| v.df(VxlanDf::Inherit), json!({ "df": "inherit" })),
        line(
            "local 2001:db8::1 flowlabel 0x12345",
            |v| v.local(ip("2001:db8::1")).flow_label(0x12345_u32),
            json!({ "label": "0x12345" }),
        ),
        line(
            "srcport 1000 2000",
            |v| v.port_range((1000, 2000)),
            json!({ "port_range": { "low": 1000, "high": 2000 } }),
        ),
        line(
            "reserved_bits 0xff00000000",
            |v| v.reserved_bits(0xff_0000_0000_u64),
            json!({ "reserved_bits": "0xff00000000" }),
        )
        .since(6, 14),
        line("nolearning", |v| v.learning(false), json!({ "learning": false })),
        line("proxy", |v| v.proxy(true), json!({ "proxy": true })),
        line("rsc", |v| v.rsc(true), json!({ "rsc": true })),
        line("l2miss", |v| v.l2miss(true), json!({ "l2miss": true })),
        line("l3miss", |v| v.l3miss(true), json!({ "l3miss": true })),
        line("ageing 77", |v| v.ageing(Duration::from_secs(77)), json!({ "ageing": 77 })),
        line("maxaddress 9", |v| v.limit(9_u32), json!({ "limit": 9 })),
        line("noudpcsum", |v| v.udp_csum(false), json!({ "udp_csum": false })),
        line("udp6zerocsumtx", |v| v.udp_zero_csum6_tx(true), json!({ "udp_zero_csum6_tx": true })),
        line("udp6zerocsumrx", |v| v.udp_zero_csum6_rx(true), json!({ "udp_zero_csum6_rx": true })),
        line("remcsumtx", |v| v.remcsum_tx(true), json!({ "remcsum_tx": true })),
        line("remcsumrx", |v| v.remcsum_rx(true), json!({ "remcsum_rx": true })),
        line("nolocalbypass", |v| v.local_bypass(false), json!({ "localbypass": false })).since(6, 5),
        // No kernel reports it.
        line("mcroute", |v| v.mc_route(true), json!({})).since(6, 17),
        line("nomcroute", |v| v.mc_route(false), json!({})).since(6, 17),
        line("noexternal", |v| v.collect_metadata(false), json!({ "external": false })),
        line("gbp", |v| v.gbp(true), json!({ "gbp": null })),
        line("ttl inherit", |v| v.ttl_inherit(true), json!({})),
        line(
            "remote 192.0.2.7 local 192.0.2.1 dev v0 ttl 7 tos 0x4 df set srcport 5 6 nolearning proxy rsc l2miss l3miss ageing 9 \
             maxaddress 3 noudpcsum remcsumtx remcsumrx gbp",
            |v| {
                v.remote(ip("192.0.2.7"))
                    .local(ip("192.0.2.1"))
                    .link("v0")
                    .ttl(7)
                    .tos(4)
                    .df(VxlanDf::Set)
                    .port_range((5, 6))
                    .learning(false)
                    .proxy(true)
                    .rsc(true)
                    .l2miss(true)
                    .l3miss(true)
                    .ageing(Duration::from_secs(9))
                    .limit(3_u32)
                    .udp_csum(false)
                    .remcsum_tx(true)
                    .remcsum_rx(true)
                    .gbp(true)
            },
            json!({ "remote": "192.0.2.7", "local": "192.0.2.1", "ttl": 7, "tos": "0x4", "limit": 3, "gbp": null }),
        ),
    ]
}

/// Devices whose VNI is of each packet.
fn external() -> Vec<Line> {
    vec![
        line(
            "external dstport 4789",
            |v| v.collect_metadata(true).learning(false).port(4789_u16),
            json!({ "external": true }),
        ),
        line(
            "external dstport 4789 gpe",
            |v| v.collect_metadata(true).learning(false).port(4789_u16).gpe(true),
            json!({ "gpe": null }),
        ),
        line(
            "external dstport 4789 vnifilter",
            |v| v.collect_metadata(true).learning(false).port(4789_u16).vnifilter(true),
            json!({ "vnifilter": true }),
        ),
    ]
}

async fn world(lab: &Lab) -> Result<(Node, Links)> {
    let node = lab.node("a").await?;
    node.ip("link add v0 type veth peer name v1").await;
    let links = links(&node).await?;
    Ok((node, links))
}

async fn read(links: &Links) -> Vxlan {
    let vxlan = links.device("vx").get().await.unwrap().kind::<Vxlan>().unwrap().unwrap();
    assert!(vxlan.other.is_empty(), "{:?}", vxlan.other);
    vxlan
}

fn holds(whole: &Value, part: &Value, what: &str) {
    for (key, value) in part.as_object().unwrap() {
        assert_eq!(whole.get(key), Some(value), "{what}: {key} of {whole}");
    }
}

fn is_too_new(error: &Error, since: (u16, u16)) {
    let version = error.since().and_then(|since| since.version());
    assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }), "{error}");
    assert_eq!(version, Some(KernelVersion::new(since.0, since.1)), "{error}");
}

async fn made(node: &Node, links: &Links, line: &Line, base: Vxlan, command: &str) -> Option<String> {
    let words = line.words;
    let device = links.device("vx").address(ADDRESS).kind((line.ours)(base));
    let made = device.clone().add().await;
    if !line.is_there() {
        is_too_new(&made.unwrap_err(), line.since);
        assert!(
            !node.links().await.unwrap().contains(&"vx".to_owned()),
            "{words}: a device without the option stays"
        );
        return None;
    }
    made.unwrap_or_else(|error| panic!("{words}: {error}"));
    let by_us = (info(node, "vx", "info_data").await, read(links).await);
    holds(&by_us.0, &line.shown, words);
    node.ip("link del vx").await;
    let wrong = same_bytes(node, links, device.config().clone(), LinkVerb::Add, command).await;
    let by_them = (info(node, "vx", "info_data").await, read(links).await);
    assert_eq!(by_us, by_them, "{words}");
    node.ip("link del vx").await;
    wrong
}

#[nl_testkit::test(needs(link = "vxlan", link = "veth", iproute2 = "7.3"), timeout = 60)]
async fn every_vxlan_option_makes_a_device_as_iproute2_does(lab: Lab) -> Result {
    let (node, links) = world(&lab).await?;
    let mut wrong = Vec::new();
    for line in lines() {
        let command =
            format!("ip link add vx address {ADDRESS} type vxlan id 100 {} dstport 4789", line.words);
        let command = command.replace("  ", " ");
        // iproute2 says always whether a new device learns.
        let base = Vxlan::new(vni(100)).port(4789_u16).learning(true);
        wrong.extend(made(&node, &links, &line, base, &command).await);
    }
    for line in external() {
        let command = format!("ip link add vx address {ADDRESS} type vxlan {}", line.words);
        wrong.extend(made(&node, &links, &line, Vxlan::change(), &command).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Those of which the documentation says that they can change; of the others both we and the kernel say no.
#[nl_testkit::test(needs(link = "vxlan", link = "veth", iproute2 = "7.3"), timeout = 60)]
async fn every_vxlan_option_that_can_change_changes_as_by_iproute2(lab: Lab) -> Result {
    let (node, links) = world(&lab).await?;
    let mut wrong = Vec::new();
    let mut changed = 0;
    for line in lines().into_iter().filter(|line| line.is_there() && !line.words.is_empty()) {
        let words = line.words;
        // Of the same family as what changes.
        let (local, remote) = match words.contains("::") {
            true => ("2001:db8::8", "2001:db8::9"),
            false => ("192.0.2.8", "192.0.2.9"),
        };
        let base = format!(
            "link add vx address {ADDRESS} type vxlan id 100 dstport 4789 local {local} remote {remote}"
        );
        node.ip(&base).await;
        let before = info(&node, "vx", "info_data").await;
        let device = links.device("vx").kind(line.change());
        let ours = device.clone().change().await;
        let by_us = (info(&node, "vx", "info_data").await, read(&links).await);
        node.ip("link del vx").await;
        node.ip(&base).await;
        let command = format!("ip link set dev vx type vxlan {words}");
        match ours {
            Ok(_) => {
                changed += 1;
                holds(&by_us.0, &line.shown, words);
                if !words.contains(' ') || words.split(' ').count() == 2 {
                    let only = difference(&before, &by_us.0);
                    assert!(only.len() <= 2, "{words} changed {only:?}");
                }
                wrong.extend(
                    same_bytes(&node, &links, device.config().clone(), LinkVerb::Change, &command).await,
                );
                let by_them = (info(&node, "vx", "info_data").await, read(&links).await);
                assert_eq!(by_us, by_them, "{words}");
            }
            Err(error) => {
                assert!(error.is_usage(), "{words}: {error}");
                assert!(error.to_string().contains("is set when the device is made"), "{words}: {error}");
                let output = node.command(command.split(' ')).await;
                assert!(!output.status.success(), "{words}: we refuse, the kernel does not");
                assert_eq!(by_us.0, before, "{words}");
            }
        }
        node.ip("link del vx").await;
    }
    assert!(changed >= 15, "{changed}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// iproute2 has no words for these.
#[nl_testkit::test(needs(link = "vxlan"))]
async fn vxlan_options_without_a_word_in_iproute2_are_read_back(lab: Lab) -> Result {
    let (node, links) = world(&lab).await?;
    let base = || Vxlan::new(vni(100)).port(4789_u16).local(ip("2001:db8::1"));
    links.device("vx").kind(base().remcsum_rx(true).remcsum_nopartial(true)).add().await?;
    assert_eq!(read(&links).await.remcsum_nopartial, Some(true));
    node.ip("link del vx").await;
    let policy = links.device("vx").kind(base().label_policy(LabelPolicy::Inherit)).add().await;
    if kernel() < (6, 7) {
        is_too_new(&policy.unwrap_err(), (6, 7));
        return Ok(());
    }
    assert_eq!(read(&links).await.label_policy, Some(LabelPolicy::Inherit));
    links.device("vx").kind(Vxlan::change().label_policy(LabelPolicy::Fixed)).change().await?;
    assert_eq!(read(&links).await.label_policy, Some(LabelPolicy::Fixed));
    Ok(())
}

/// A kernel before 6.17 takes it and ignores it, and a later one does not report it.
#[nl_testkit::test(needs(link = "vxlan", link = "veth", tool = "ip"))]
async fn an_option_that_no_kernel_reports_is_known_to_be_in_effect(lab: Lab) -> Result {
    let (node, links) = world(&lab).await?;
    let new = || Vxlan::new(vni(100)).port(4789_u16).group(ip("239.1.1.1")).link("v0");
    let made = links.device("vx").kind(new().mc_route(true)).add().await;
    if kernel() >= (6, 17) {
        made?;
        assert_eq!(read(&links).await.mc_route, None);
        links.device("vx").kind(Vxlan::change().mc_route(false)).change().await?;
        return Ok(());
    }
    is_too_new(&made.unwrap_err(), (6, 17));
    assert!(!node.links().await?.contains(&"vx".to_owned()));
    links.device("vx").kind(new()).add().await?;
    let before = info(&node, "vx", "info_data").await;
    // What is set beside it is in effect.
    let change = links.device("vx").kind(Vxlan::change().mc_route(true).ageing(Duration::from_secs(77)));
    let error = change.change().await.unwrap_err();
    is_too_new(&error, (6, 17));
    assert!(error.to_string().contains("mc_route"), "{error}");
    let after = info(&node, "vx", "info_data").await;
    assert_eq!(difference(&before, &after), ["ageing"]);
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", link = "veth", tool = "ip"))]
async fn refusals_of_a_vxlan_device_name_the_option(lab: Lab) -> Result {
    let (node, links) = world(&lab).await?;
    let add = |vxlan: Vxlan| links.device("vx").kind(vxlan).add();
    let new = || Vxlan::new(vni(100)).port(4789_u16);
    let cases = [
        (Vxlan::change(), "a VXLAN device needs a VNI"),
        (
            new().remote(ip("192.0.2.1")).group(ip("239.1.1.1")).link("v0"),
            "group and remote exclude each other",
        ),
        (new().remote(ip("239.1.1.1")), "remote 239.1.1.1 is a multicast address"),
        (new().group(ip("192.0.2.1")), "group 192.0.2.1 is not a multicast address"),
        (new().group(ip("239.1.1.1")), "add link()"),
        (new().remote(ip("192.0.2.1")).local(ip("2001:db8::1")), "different families"),
        (new().vnifilter(true), "vnifilter needs"),
        (Vxlan::external().vnifilter(true).id(vni(1)), "a list of VNIs in place of one"),
        (new().port_range((9, 8)), "srcport 9 8 is reversed"),
        (new().flow_label(0x10_0000_u32), "flowlabel 1048576; 0 to 1048575"),
        (new().ttl(1).ttl_inherit(true), "ttl and ttl_inherit exclude"),
        (new().gbp(true).gpe(true), "gbp and gpe exclude"),
        (new().ageing(Duration::from_millis(1500)), "ageing 1.5s; the kernel has seconds"),
        (new().df(VxlanDf::Other(3)), "df 3; 0 to 2"),
    ];
    for (vxlan, part) in cases {
        let error = add(vxlan).await.unwrap_err();
        assert!(error.is_usage(), "{error}");
        assert!(error.to_string().starts_with("add link vx type vxlan: "), "{error}");
        assert!(error.to_string().contains(part), "{error} lacks {part:?}");
    }
    assert!(!node.links().await?.contains(&"vx".to_owned()));
    add(new()).await?;
    let error = links.device("vx").kind(Vxlan::change().id(vni(101))).change().await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP), "{error}");
    assert!(error.to_string().contains("Cannot change VNI"), "{error}");
    let error = links.device("vx").kind(Vxlan::change().link("nobody")).change().await.unwrap_err();
    assert_eq!(error.to_string(), "set link vx type vxlan: No such device (ENODEV)");
    let error = links.device("vy").kind(new()).add().await.unwrap_err();
    assert!(error.is_exists(), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", iproute2 = "7.3"))]
async fn our_words_for_a_vxlan_device_are_those_of_iproute2(lab: Lab) -> Result {
    let (node, links) = world(&lab).await?;
    for line in lines().into_iter().filter(Line::is_there) {
        let vxlan = (line.ours)(Vxlan::new(vni(100)).port(4789_u16));
        let printed = vxlan.to_string();
        let printed = printed.strip_prefix(Vxlan::KIND).unwrap();
        links.device("vx").address(ADDRESS).kind(vxlan).add().await?;
        let by_us = info(&node, "vx", "info_data").await;
        node.ip("link del vx").await;
        node.ip(&format!("link add vx address {ADDRESS} type vxlan{printed}")).await;
        assert_eq!(info(&node, "vx", "info_data").await, by_us, "as{printed}");
        node.ip("link del vx").await;
    }
    Ok(())
}
