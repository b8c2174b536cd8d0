//! Options of devices and ports, one by one: what we set iproute2 shows, what it sets we read, and the requests are the same.

use nl_core::link::{LinkConfig, LinkVerb, Links};
use nl_core::message::NLM_F_ACK;
use nl_core::{Connection, Protocol};
use nl_testkit::oracle::{Attr, BytesOracle, Field, Sent, Shape};
use nl_testkit::{Node, Result};
use serde_json::Value;

pub(crate) const RTM_NEWLINK: u16 = 16;
pub(crate) const RTM_SETLINK: u16 = 19;

pub(crate) async fn links(node: &Node) -> Result<Links> {
    Ok(Links::new(node.open(|| Connection::open(Protocol::Route)).await?))
}

/// `info_data` or `info_slave_data` of `ip -j -d link show`, without what changes by itself.
pub(crate) async fn info(node: &Node, dev: &str, key: &str) -> Value {
    let mut shown = node.json(&format!("ip -j -d link show dev {dev}")).await[0]["linkinfo"][key].clone();
    if let Some(shown) = shown.as_object_mut() {
        shown.retain(|key, _| !key.ends_with("_timer") && !key.starts_with("mcast_querier_state"));
    }
    shown
}

/// What two renderings of the same thing do not have in common.
pub(crate) fn difference(one: &Value, other: &Value) -> Vec<String> {
    let (one, other) = (one.as_object().unwrap(), other.as_object().unwrap());
    let keys = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)));
    keys.filter(|key| one.get(*key) != other.get(*key)).cloned().collect()
}

/// Our request and that of iproute2 for the line, byte for byte.
pub(crate) async fn same_bytes(
    node: &Node,
    links: &Links,
    mut config: LinkConfig,
    verb: LinkVerb,
    line: &str,
) -> Option<String> {
    let (output, sent) = node.requests_of(line).await.unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    let theirs = the_one(&sent, RTM_NEWLINK, line);
    links.connection().resolve(config.devs()).await.unwrap();
    if verb == LinkVerb::Change {
        links.connection().resolve(vec![&mut config.dev]).await.unwrap();
    }
    let ours = config.request(verb).with_flags(NLM_F_ACK).encoded().unwrap().to_vec();
    // The kernel has no use for the kind of a port's master.
    let kinds = [("IFLA_LINKINFO/IFLA_INFO_KIND", KIND), ("IFLA_LINKINFO/IFLA_INFO_SLAVE_KIND", KIND)];
    let except = if line.contains(" type bridge_slave ") { &kinds[..] } else { &[] };
    let compared = BytesOracle::new(&LINK).except(except).compare(&ours, &theirs.message);
    compared.err().map(|error| format!("`{line}`: {error}"))
}

const KIND: &str = "iproute2 sends bridge_slave as the kind of the device, which the kernel does not look at";

pub(crate) fn compare(shape: &'static Shape, ours: &[u8], theirs: &[u8], line: &str) -> Option<String> {
    BytesOracle::new(shape).compare(ours, theirs).err().map(|error| format!("`{line}`: {error}"))
}

pub(crate) fn the_one<'a>(sent: &'a [Sent], kind: u16, line: &str) -> &'a Sent {
    let mut found = sent.iter().filter(|sent| sent.protocol == 0 && sent.kind() == kind);
    let one = found.next();
    assert!(found.next().is_none(), "`{line}` sent several: {sent:?}");
    one.unwrap_or_else(|| panic!("`{line}` sent none: {sent:?}"))
}

const HEADER: &[Field] = &[
    Field::new("family", 1),
    Field::new("pad", 1),
    Field::new("type", 2),
    Field::new("index", 4),
    Field::new("flags", 4),
    Field::new("change", 4),
];

pub(crate) const LINK: Shape =
    Shape::new("ifinfomsg", HEADER).kinds(&[(RTM_NEWLINK, "RTM_NEWLINK")]).attrs(&[
        Attr::new(1, "IFLA_ADDRESS"),
        Attr::new(3, "IFLA_IFNAME"),
        Attr::nest(
            18,
            "IFLA_LINKINFO",
            &[
                Attr::new(1, "IFLA_INFO_KIND"),
                Attr::nest(2, "IFLA_INFO_DATA", &[]),
                Attr::new(4, "IFLA_INFO_SLAVE_KIND"),
                Attr::nest(5, "IFLA_INFO_SLAVE_DATA", &[]),
            ],
        ),
    ]);

pub(crate) const PORT: Shape = Shape::new("ifinfomsg", HEADER)
    .kinds(&[(17, "RTM_DELLINK"), (18, "RTM_GETLINK"), (RTM_SETLINK, "RTM_SETLINK")])
    .attrs(&[
        Attr::nest(12, "IFLA_PROTINFO", &[]),
        Attr::nest(
            26,
            "IFLA_AF_SPEC",
            &[
                Attr::new(0, "IFLA_BRIDGE_FLAGS"),
                Attr::new(1, "IFLA_BRIDGE_MODE"),
                Attr::new(2, "IFLA_BRIDGE_VLAN_INFO").fields(&[Field::new("flags", 2), Field::new("vid", 2)]),
            ],
        ),
        Attr::new(29, "IFLA_EXT_MASK"),
    ]);
