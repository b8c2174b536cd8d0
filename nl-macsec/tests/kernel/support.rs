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

/// Two nodes on a wire with `macsec0` each, 192.0.2.1 and .2, and an association with the number 0 each way. They know each other's
/// MAC address for good: no frame is sent but those of the test.
pub(crate) struct Pair {
    pub(crate) near: End,
    pub(crate) far: End,
}

pub(crate) struct End {
    pub(crate) node: Node,
    pub(crate) macsec: Macsec,
    pub(crate) sci: Sci,
    pub(crate) ssci: u32,
    pub(crate) address: &'static str,
}

impl Pair {
    /// With these options at both ends, and key 1.
    pub(crate) async fn new(lab: &Lab, options: &MacsecDevice) -> Result<Self> {
        lab.quiet();
        let [near, far] = lab.wire("near", "far").await?;
        let pair = Self {
            near: End::new(near, options, 1, "192.0.2.1").await?,
            far: End::new(far, options, 2, "192.0.2.2").await?,
        };
        pair.connect(options).await?;
        Ok(pair)
    }

    /// Creates the devices and associations again on the same wire, with other options.
    pub(crate) async fn again(&self, options: &MacsecDevice) -> Result {
        for (end, _) in self.ends() {
            end.macsec.device("macsec0").delete().await?;
            end.macsec.device("macsec0").on("eth0").up().add(options.clone()).await?;
            end.node.ip(&format!("address add {}/24 dev macsec0", end.address)).await;
        }
        self.connect(options).await
    }

    async fn connect(&self, options: &MacsecDevice) -> Result {
        let suite = options.cipher.unwrap_or_default();
        for (end, other) in self.ends() {
            end.macsec.rx_sc("macsec0", other.sci).add().await?;
            end.receive(other, suite, 0, 1).await?;
            end.send(suite, 0, 1).await?;
            let (to, mac) = (other.address, other.sci.address());
            end.node.ip(&format!("neighbour add {to} lladdr {mac} nud permanent dev macsec0")).await;
        }
        Ok(())
    }

    pub(crate) fn ends(&self) -> [(&End, &End); 2] {
        [(&self.near, &self.far), (&self.far, &self.near)]
    }

    /// Sends datagrams from near to far over `macsec0` and returns how many of them arrive before the time is up.
    pub(crate) async fn datagrams(&self, count: u32, time: Duration) -> Result<u32> {
        // Any port: a program that another test starts has the sockets of this process until it runs.
        let bind = |address: &'static str| move || std::net::UdpSocket::bind((address, 0));
        let (from, to) =
            (self.near.node.open(bind("192.0.2.1")).await?, self.far.node.open(bind("192.0.2.2")).await?);
        to.set_nonblocking(true)?;
        from.connect(to.local_addr()?)?;
        let to = self.far.node.open(move || tokio::net::UdpSocket::from_std(to)).await?;
        for number in 0..count {
            from.send(&[CLEAR, &number.to_be_bytes()].concat())?;
        }
        self.far
            .node
            .run(move || async move {
                let mut arrived = 0;
                let mut buffer = [0; 2048];
                while arrived < count
                    && let Ok(Ok(_)) = tokio::time::timeout(time, to.recv(&mut buffer)).await
                {
                    arrived += 1;
                }
                Ok(arrived)
            })
            .await
    }
}

impl End {
    async fn new(node: Node, options: &MacsecDevice, ssci: u32, address: &'static str) -> Result<Self> {
        let macsec = open(&node).await?;
        let link = macsec.device("macsec0").on("eth0").up().add(options.clone()).await?;
        let sci = link.kind::<MacsecDevice>().and_then(|device| device.ok()?.sci).ok_or("no SCI")?;
        node.ip(&format!("address add {address}/24 dev macsec0")).await;
        Ok(Self { node, macsec, sci, ssci, address })
    }

    /// Adds an association that receives from the other end, with the key of a number.
    pub(crate) async fn receive(&self, other: &Self, suite: CipherSuite, an: u8, number: u8) -> Result {
        let mut sa = self.macsec.rx_sa("macsec0", other.sci, an).key(&key(suite, number)).key_id(id(number));
        if suite.is_xpn() {
            sa = sa.ssci(other.ssci).salt(&salt());
        }
        sa.active(true).add().await?;
        Ok(())
    }

    /// Adds an association that sends, with the key of a number.
    pub(crate) async fn send(&self, suite: CipherSuite, an: u8, number: u8) -> Result {
        let mut sa = self.macsec.tx_sa("macsec0", an).key(&key(suite, number)).key_id(id(number)).next_pn(1);
        if suite.is_xpn() {
            sa = sa.ssci(self.ssci).salt(&salt());
        }
        sa.active(true).add().await?;
        Ok(())
    }
}

/// What is sent, to be looked for on the wire.
pub(crate) const CLEAR: &[u8] = b"this text must not be seen on the wire";
