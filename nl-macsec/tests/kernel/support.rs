//! Nodes with MACsec devices, and keys.

use std::time::Duration;

use nl_core::{Connection, MacAddr, Protocol};
use nl_macsec::device::MacsecDevice;
use nl_macsec::{CipherSuite, KeyId, Macsec, Salt, Sci, SecretKey};
use nl_testkit::{Lab, Node, Result};
use serde_json::Value;

pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) async fn open(node: &Node) -> Result<Macsec> {
    Ok(Macsec::new(node.open(|| Connection::open(Protocol::Generic)).await?))
}

pub(crate) fn id(number: u8) -> KeyId {
    let mut bytes = [0; 16];
    bytes[0] = number;
    KeyId::new(bytes)
}

/// A key of this suite, of which each byte is this number.
pub(crate) fn key(suite: CipherSuite, number: u8) -> SecretKey {
    SecretKey::new(&vec![number; suite.key_len().unwrap()]).unwrap()
}

pub(crate) fn key_hex(suite: CipherSuite, number: u8) -> String {
    format!("{number:02x}").repeat(suite.key_len().unwrap())
}

pub(crate) fn salt() -> Salt {
    Salt::new(&[0x5a; 12])
}

pub(crate) const SALT: &str = "5a5a5a5a5a5a5a5a5a5a5a5a";

/// The word of `ip link` for a suite.
pub(crate) fn word(suite: CipherSuite) -> String {
    suite.to_string().to_lowercase()
}

/// A node with `v0`, whose other end is in the node too, and nothing on it.
pub(crate) async fn alone(lab: &Lab) -> Result<(Node, Macsec)> {
    lab.quiet();
    let node = lab.node("a").await?;
    node.ip("link add name v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02")
        .await;
    node.up("v0").await?;
    node.up("v1").await?;
    let macsec = open(&node).await?;
    Ok((node, macsec))
}

/// The same with `macsec0` on `v0`.
pub(crate) async fn with_device(lab: &Lab, suite: CipherSuite) -> Result<(Node, Macsec)> {
    let (node, macsec) = alone(lab).await?;
    macsec.device("macsec0").on("v0").add(MacsecDevice::new().cipher(suite)).await?;
    Ok((node, macsec))
}

/// What `ip macsec show` shows of a device.
pub(crate) async fn shown(node: &Node, dev: &str) -> Value {
    node.json(&format!("ip -j macsec show {dev}")).await[0].clone()
}

pub(crate) fn sci(last: u8, port: u16) -> Sci {
    Sci::new(MacAddr::new([2, 0, 0, 0, 0, last]), port)
}
