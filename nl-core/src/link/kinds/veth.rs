use std::fmt;

use crate::addr::Dev;
use crate::attr::{AttrWriter, Attrs, DecodeError};
use crate::check::Invalid;
use crate::error::AttrName;
use crate::link::{LinkConfig, LinkKind, LinkVerb};

const VETH_INFO_PEER: u16 = 1;

/// One end of a pair of devices (`type veth`): what goes into one comes out of the other.
///
/// ```
/// use nl_core::link::{LinkConfig, LinkVerb, Veth};
///
/// // ip link add v0 type veth peer name v1
/// let request = LinkConfig::new("v0").kind(Veth::new("v1")).request(LinkVerb::Add);
/// assert_eq!(request.describe(), "add link v0 type veth");
/// ```
///
/// The kernel reports the other end as [`Link::link`](crate::link::Link::link) and nothing here.
///
/// Header: `include/uapi/linux/veth.h`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Veth {
    peer: Option<Box<LinkConfig>>,
}

impl Veth {
    /// With a peer of this name.
    #[must_use]
    pub fn new(peer: impl Into<Dev>) -> Self {
        Self::with_peer(LinkConfig::new(peer))
    }

    /// With a peer of this configuration: its name, MTU, hardware addresses, group and queues, and the namespace it is created in.
    ///
    /// ```no_run
    /// # async fn example() -> nl_core::Result<()> {
    /// use nl_core::link::{LinkConfig, Links, Veth};
    /// use nl_core::netns::Netns;
    /// use nl_core::{Connection, Protocol};
    ///
    /// let links = Links::new(Connection::open(Protocol::Route)?);
    /// // ip link add veth0 up type veth peer name eth0 netns blue
    /// let peer = LinkConfig::new("eth0").netns(Netns::named("blue")?);
    /// links.device("veth0").kind(Veth::with_peer(peer)).up().add().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// What the kernel would drop without an error, such as a master, is refused. So is a peer that is up, because a device of a pair
    /// goes up only when there is the other one: bring it up in its namespace afterwards. The kernel takes the index of a peer only if
    /// the first device has one too.
    #[must_use]
    pub fn with_peer(peer: LinkConfig) -> Self {
        Self { peer: Some(Box::new(peer)) }
    }
}

impl LinkKind for Veth {
    const KIND: &'static str = "veth";
    const NAMES: &'static [AttrName] = &[AttrName::new(VETH_INFO_PEER, "VETH_INFO_PEER")];

    fn encode(&self, w: &mut AttrWriter<'_>, _: LinkVerb) {
        if let Some(peer) = &self.peer {
            peer.encode_peer(&mut w.nested_unmarked(VETH_INFO_PEER));
        }
    }

    fn decode(_: Attrs<'_>) -> Result<Self, DecodeError> {
        Ok(Self::default())
    }

    fn check(&self, verb: LinkVerb) -> Result<(), Invalid> {
        match &self.peer {
            Some(_) if verb == LinkVerb::Change => {
                Err("the peer is created with the pair: change it by its own name".into())
            }
            Some(peer) => peer.check_peer(),
            None => Ok(()),
        }
    }
}

/// The kind and its options in the words of `ip link`.
impl fmt::Display for Veth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("veth")?;
        match &self.peer {
            Some(peer) => write!(f, " peer name {}", peer.dev),
            None => Ok(()),
        }
    }
}
