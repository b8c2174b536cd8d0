//! The chapters of `cargo tour`: what the nl-* crates do, shown live on a private network.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod bars;
mod everything;
mod fdb;
mod leaf;
mod macsec;
mod mptcp;
mod segments;
mod shaping;
mod story;
mod vlans;

use std::pin::Pin;

use nl_testkit::{Lab, Result};

pub use crate::everything::{Everything, Happened};
pub use crate::story::Story;

/// The examples of the repository's README.md, as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}

/// A part of the tour: what one or two crates do.
#[derive(Debug)]
pub struct Chapter {
    /// What it is called.
    pub title: &'static str,
    /// What the kernel must have for it, in the words of [`Need::parse`](nl_testkit::Need::parse).
    pub needs: &'static [&'static str],
    tell: Tell,
}

type Tell = for<'a> fn(&'a Lab, &'a mut Story) -> Pin<Box<dyn Future<Output = Result> + 'a>>;

impl Chapter {
    /// Shows it in this lab, and notes in the story what was seen.
    ///
    /// # Errors
    /// Something could not be done at all.
    pub async fn tell(&self, lab: &Lab, story: &mut Story) -> Result {
        (self.tell)(lab, story).await
    }
}

/// The forwarding database.
pub const FDB: Chapter = Chapter {
    title: "The forwarding database, live (nl-bridge, nl-events)",
    needs: &["link = \"bridge\"", "link = \"veth\"", "link = \"vxlan\""],
    tell: |lab, story| Box::pin(fdb::chapter(lab, story)),
};

/// Traffic control.
pub const SHAPING: Chapter = Chapter {
    title: "Shaping, live (nl-tc)",
    needs: &["link = \"veth\"", "qdisc = \"htb\""],
    tell: |lab, story| Box::pin(shaping::chapter(lab, story)),
};

/// Multipath TCP.
pub const MPTCP: Chapter = Chapter {
    title: "One connection over two paths, live (nl-mptcp)",
    needs: &[
        "link = \"veth\"",
        "qdisc = \"htb\"",
        "genl = \"mptcp_pm\"",
        "sysctl = \"net.mptcp.enabled\"",
        "sock_diag = \"mptcp\"",
    ],
    tell: |lab, story| Box::pin(mptcp::chapter(lab, story)),
};

/// Segment routing.
pub const SEGMENTS: Chapter = Chapter {
    title: "Flows along segments, live (nl-srv6)",
    needs: &["link = \"veth\""],
    tell: |lab, story| Box::pin(segments::chapter(lab, story)),
};

/// VLANs mapped to VNIs.
pub const VLANS: Chapter = Chapter {
    title: "VLANs over VXLAN, live (nl-bridge)",
    needs: &["bridge_vlan_filtering", "link = \"veth\"", "link = \"vxlan\""],
    tell: |lab, story| Box::pin(vlans::chapter(lab, story)),
};

/// A leaf in one description.
pub const LEAF: Chapter = Chapter {
    title: "A leaf in one description, live (nl-bridge)",
    needs: &["bridge_vlan_filtering", "link = \"veth\"", "link = \"vxlan\""],
    tell: |lab, story| Box::pin(leaf::chapter(lab, story)),
};

/// MACsec, which only root of the machine can change.
pub const MACSEC: Chapter = Chapter {
    title: "An encrypted wire and its next key, live (nl-macsec)",
    needs: &["link = \"veth\"", "link = \"macsec\"", "genl = \"macsec\"", "host_root"],
    tell: |lab, story| Box::pin(macsec::chapter(lab, story)),
};

/// All of them, in order.
pub const CHAPTERS: [Chapter; 7] = [FDB, VLANS, LEAF, SHAPING, MPTCP, MACSEC, SEGMENTS];
