//! Encapsulations that nl-core knows nothing of, as another crate has them.

use std::fmt;
use std::net::Ipv4Addr;

use nl_core::addr::Dev;
use nl_core::attr::{Attrs, DecodeError};
use nl_core::attr_names;
use nl_core::check::Invalid;
use nl_core::error::AttrName;
use nl_core::route::{Encap, EncapWriter, NextHop, Route, RouteVerb};
use nl_testkit::{Lab, Result};
use serde_json::Value;

use super::support::{collect, shown_the, the, world};

// include/uapi/linux/lwtunnel.h
attr_names! { IP { LWTUNNEL_IP_ID = 1, LWTUNNEL_IP_DST = 2, LWTUNNEL_IP_SRC = 3, LWTUNNEL_IP_TTL = 4 } }
attr_names! { XFRM { LWT_XFRM_IF_ID = 1, LWT_XFRM_LINK = 2 } }

/// Metadata for a tunnel device, such as a VXLAN device in metadata mode.
#[derive(Debug, PartialEq)]
struct IpTunnel {
    id: u64,
    dst: Ipv4Addr,
}

impl Encap for IpTunnel {
    const KIND: u16 = 2;
    const NAMES: &'static [AttrName] = IP;

    fn encode(&self, w: &mut EncapWriter<'_>) {
        w.be64(LWTUNNEL_IP_ID, self.id).bytes(LWTUNNEL_IP_DST, &self.dst.octets());
    }

    fn decode(attrs: Attrs<'_>) -> std::result::Result<Self, DecodeError> {
        let (mut id, mut dst) = (None, None);
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                LWTUNNEL_IP_ID => id = Some(attr.be64()?),
                LWTUNNEL_IP_DST => dst = Some(Ipv4Addr::from(attr.array::<4>()?)),
                _ => {}
            }
        }
        let missing = DecodeError::Missing;
        Ok(Self { id: id.ok_or(missing(LWTUNNEL_IP_ID))?, dst: dst.ok_or(missing(LWTUNNEL_IP_DST))? })
    }

    fn check(&self) -> std::result::Result<(), Invalid> {
        Invalid::when(self.id == 0, "id 0; the first one is 1")
    }
}

impl fmt::Display for IpTunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ip id {} dst {}", self.id, self.dst)
    }
}

/// For an xfrm device in metadata mode: it names a device.
#[derive(Debug, PartialEq)]
struct Xfrm {
    id: u32,
    link: Dev,
}

impl Encap for Xfrm {
    const KIND: u16 = 10;
    const NAMES: &'static [AttrName] = XFRM;

    fn encode(&self, w: &mut EncapWriter<'_>) {
        w.u32(LWT_XFRM_IF_ID, self.id);
        w.dev(LWT_XFRM_LINK, &self.link);
    }

    fn decode(attrs: Attrs<'_>) -> std::result::Result<Self, DecodeError> {
        let number = |kind| attrs.find(kind)?.ok_or(DecodeError::Missing(kind))?.u32();
        Ok(Self { id: number(LWT_XFRM_IF_ID)?, link: Dev::Index(number(LWT_XFRM_LINK)?) })
    }
}

impl fmt::Display for Xfrm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "xfrm if_id {} link_dev {}", self.id, self.link)
    }
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn encapsulation_of_a_stranger_is_set_shown_and_read(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    let to = "198.51.100.0/24".parse()?;
    let tunnel = IpTunnel { id: 100, dst: "203.0.113.1".parse()? };
    routes.entry(to).dev("d0").encap(&tunnel).add().await?;
    let shown = shown_the(&node, "route show exact 198.51.100.0/24").await;
    // Since iproute2 7 it is an object of its own.
    let (encap, kind) = match &shown["encap"] {
        encap @ Value::Object(_) => (encap, &encap["encap_type"]),
        kind => (&shown, kind),
    };
    assert_eq!((kind, &encap["id"], &encap["dst"]), (&"ip".into(), &100.into(), &"203.0.113.1".into()));
    let read = the(routes.entries().exact(to)).await;
    assert_eq!(read.encap::<IpTunnel>()?, Some(tunnel));
    assert_eq!(read.encap::<Xfrm>()?, None);

    // Written back without a type at hand.
    routes.entry(to).delete().await?;
    assert!(read.raw_encap().is_some());
    routes.batch([(RouteVerb::Add, read.clone())]).summarize(1).await?.into_result()?;
    assert_eq!(shown_the(&node, "route show exact 198.51.100.0/24").await, shown);
    routes.entry(to).delete().await?;

    node.ip("route add 198.51.100.0/24 encap ip id 100 dst 203.0.113.1 dev d0").await;
    assert_eq!(the(routes.entries().exact(to)).await, read);
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn each_path_has_an_encapsulation_of_its_own(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    let to = "198.51.100.0/24".parse()?;
    let tunnel = |id| IpTunnel { id, dst: Ipv4Addr::new(203, 0, 113, 1) };
    let hops = [NextHop::on("d0").with_encap(&tunnel(1)), NextHop::on("d1").with_encap(&tunnel(2))];
    routes.entry(to).nexthops(hops).add().await?;
    let read = the(routes.entries().exact(to)).await;
    let ids: Vec<_> = read.nexthops.iter().map(|hop| hop.encap::<IpTunnel>().unwrap().unwrap().id).collect();
    assert_eq!(ids, [1, 2]);
    let shown = node.ip("route show exact 198.51.100.0/24").await;
    assert!(shown.contains("encap ip id 1 ") && shown.contains("encap ip id 2 "), "{shown}");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn encapsulation_that_is_refused_is_named_in_its_own_words(lab: Lab) -> Result {
    let (_node, routes) = world(&lab).await?;
    let to = "198.51.100.0/24".parse()?;
    let bad = IpTunnel { id: 0, dst: Ipv4Addr::LOCALHOST };
    let error = routes.entry(to).dev("d0").encap(&bad).add().await.unwrap_err();
    let text = "add route 198.51.100.0/24 encap ip id 0 dst 127.0.0.1 dev d0: id 0; the first one is 1";
    assert_eq!(error.to_string(), text);

    let route = Route::new(to).oif(1).with_encap(&Xfrm { id: 1, link: "d0".into() });
    let error = route.request(RouteVerb::Add).encoded().map(drop).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("device d0 by name"), "{error}");

    let error =
        routes.entry(to).dev("d0").encap(&Xfrm { id: 1, link: "nodev".into() }).add().await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains(" link_dev nodev "), "{error}");
    assert_eq!(collect(routes.entries().exact(to)).await, []);
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", link = "xfrm", kernel = "6.2", tool = "ip"))]
async fn device_that_an_encapsulation_names_is_looked_up(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    node.ip("link add x0 type xfrm external").await;
    node.ip("link set x0 up").await;
    let to = "198.51.100.0/24".parse()?;
    routes.entry(to).dev("x0").encap(&Xfrm { id: 7, link: "d1".into() }).add().await?;
    let read = the(routes.entries().exact(to)).await;
    let link = Dev::Index(node.index_of("d1").await?);
    assert_eq!(read.encap::<Xfrm>()?, Some(Xfrm { id: 7, link }));
    Ok(())
}
