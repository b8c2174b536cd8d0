//! Events of MACsec devices, against what iproute2 does.

use std::time::Duration;

use futures_util::TryStreamExt;
use nl_core::link::LinkEvent;
use nl_events::macsec::{MacsecEvent, MacsecLink};
use nl_events::stream::Events;
use nl_events::{NetworkEvent, RtnetlinkGroup, Source};
use nl_testkit::{Lab, Result, within};

const SOON: Duration = Duration::from_secs(20);

/// The next event, which is about `m0`.
async fn next(events: &mut Events, what: &str) -> MacsecEvent {
    match within(SOON, events.try_next(), what).await.unwrap().expect("the stream ended") {
        NetworkEvent::Macsec(event) if event.device().link.name == *"m0" => event,
        other => panic!("an event of another source: {other:?}"),
    }
}

/// Reads events until the device is as wanted.
async fn until(events: &mut Events, what: &str, wanted: impl Fn(&MacsecLink) -> bool) {
    loop {
        match next(events, what).await {
            MacsecEvent::New(device) if wanted(&device) => return,
            MacsecEvent::New(_) => {}
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[nl_testkit::test(needs(link = "macsec", link = "veth", tool = "ip"))]
async fn macsec_device_has_events_and_others_none(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add d0 type veth peer name p0").await;
    let mut events = node.open(|| Events::builder().source(Source::MACSEC).open()).await?;
    node.ip("link set d0 up").await;
    node.ip("link add link d0 name m0 type macsec port 7 encrypt on cipher gcm-aes-256").await;
    let parent = node.index_of("d0").await?;
    let MacsecEvent::New(new) = next(&mut events, "the new device").await else { panic!("it is new") };
    assert_eq!(new.link.link, Some(parent));
    assert_eq!((new.options.encrypt, new.options.sci.map(|sci| sci.port())), (Some(true), Some(7)), "{new}");
    assert!(new.to_string().contains("cipher GCM-AES-256"), "{new}");
    // Changes of options are reported while the device is up.
    node.ip("link set m0 up").await;
    until(&mut events, "the device to be up", |device| device.link.is_up()).await;
    node.ip("link set m0 type macsec encrypt off replay on window 9").await;
    until(&mut events, "the changed options", |device| {
        (device.options.encrypt, device.options.window) == (Some(false), Some(9))
    })
    .await;
    node.ip("link del m0").await;
    loop {
        match next(&mut events, "the end of the device").await {
            MacsecEvent::Deleted(gone) => {
                assert_eq!(gone.link.index, new.link.index);
                break;
            }
            MacsecEvent::New(_) => {}
            other => panic!("{other:?}"),
        }
    }
    Ok(())
}

/// Where devices of all kinds are asked for too, the source that is asked for first has the event.
#[nl_testkit::test(needs(link = "macsec", link = "veth", tool = "ip"))]
async fn macsec_device_is_an_event_of_the_source_that_is_asked_for_first(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add d0 type veth peer name p0").await;
    let open = |groups: [RtnetlinkGroup; 2]| {
        node.open(move || groups.into_iter().fold(Events::builder(), |e, group| e.group(group)).open())
    };
    let mut typed = open([RtnetlinkGroup::Macsec, RtnetlinkGroup::Link]).await?;
    let mut plain = open([RtnetlinkGroup::Link, RtnetlinkGroup::Macsec]).await?;
    node.ip("link set d0 mtu 1400").await;
    node.ip("link add link d0 name m0 type macsec").await;
    let first = async |events: &mut Events| loop {
        let event = events.try_next().await.unwrap().expect("the stream ended");
        if !matches!(&event, NetworkEvent::Link(LinkEvent::New(link)) if link.name != *"m0") {
            break event;
        }
    };
    let event = within(SOON, first(&mut typed), "an event").await;
    assert!(matches!(event, NetworkEvent::Macsec(MacsecEvent::New(_))), "{event:?}");
    let event = within(SOON, first(&mut plain), "an event").await;
    assert!(matches!(event, NetworkEvent::Link(LinkEvent::New(_))), "{event:?}");
    Ok(())
}
