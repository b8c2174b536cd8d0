//! The groups that the running kernel has, against the list.

use std::time::Duration;

use futures_util::TryStreamExt;
use nl_core::error::Errno;
use nl_core::genl::FamilyEvent;
use nl_core::monitor::Monitor;
use nl_core::nsid::{Nsid, NsidEvent};
use nl_core::{Connection, Error, Protocol};
use nl_events::source::groups::ALL;
use nl_events::stream::Events;
use nl_events::{NetworkEvent, Source};
use nl_testkit::{Lab, Need, Node, Result, within};

const DEADLINE: Duration = Duration::from_secs(20);

/// A kernel that has more groups than the list fails here.
#[nl_testkit::test]
async fn list_has_every_group_that_the_kernel_lets_join(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let joined = node
        .open(|| {
            // More than the kernel rounds its mask of groups up to.
            (1..=64_u32)
                .filter(|number| {
                    match Monitor::builder(Protocol::Route).group(*number).open(|_| Ok(None::<()>)) {
                        Ok(_) => true,
                        // Some need a privilege, and exist.
                        Err(error) => error.is_permission(),
                    }
                })
                .collect::<Vec<_>>()
        })
        .await;
    let last = joined.last().copied().unwrap_or(0);
    assert!(joined.iter().copied().eq(1..=last), "{joined:?}");
    assert!(last >= 36, "{last}");
    let listed = ALL.last().map_or(0, |group| group.number);
    assert!(last <= listed, "the kernel has {last} groups, the list {listed}");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn raw_source_has_what_no_type_covers(lab: Lab) -> Result {
    const RTM_NEWNETCONF: u16 = 80;
    let node = lab.node("a").await?;
    // RTNLGRP_IPV4_NETCONF
    let mut events = node.open(|| Events::builder().source(Source::raw(24)).open()).await?;
    node.ip("link add d0 type veth peer name p0").await;
    let found = async {
        loop {
            match events.try_next().await.unwrap().expect("the stream ended") {
                NetworkEvent::Raw(event) if event.kind == RTM_NEWNETCONF => return event,
                NetworkEvent::Raw(_) => {}
                other => panic!("an event of another source: {other:?}"),
            }
        }
    };
    let event = within(DEADLINE, found, "a message about net.ipv4.conf").await;
    assert_eq!(event.payload.first(), Some(&2), "AF_INET");
    Ok(())
}

/// Raw sources come last, whatever the order they were asked for in.
#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn raw_source_leaves_typed_events_to_their_sources(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mut events =
        node.open(|| Events::builder().source(Source::raw(1)).source(Source::LINK).open()).await?;
    node.ip("link add d0 type veth peer name p0").await;
    let found = async { events.try_next().await.unwrap().expect("the stream ended") };
    assert!(matches!(within(DEADLINE, found, "an event").await, NetworkEvent::Link(_)));
    Ok(())
}

#[nl_testkit::test(needs(tool = "ip"))]
async fn namespace_with_an_id_has_events(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mut events = node.open(|| Events::builder().source(Source::NAMESPACE).open()).await?;
    node.ip("netns add gone").await;
    node.ip("netns set gone 9").await;
    node.ip("netns del gone").await;
    for expected in [NsidEvent::New(Nsid::new(9)), NsidEvent::Deleted(Nsid::new(9))] {
        let event = async { events.try_next().await.unwrap().expect("the stream ended") };
        assert_eq!(within(DEADLINE, event, "an event").await, NetworkEvent::Namespace(expected));
    }
    Ok(())
}

/// The events of Multipath TCP are for administrators, those of the tables for everybody.
#[nl_testkit::test(needs(genl = "mptcp_pm"))]
async fn stream_without_privilege_is_eperm_and_names_the_group(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let refused = node.unprivileged(async || {
        drop(Events::builder().source(Source::LINK).open()?);
        let family = Connection::open(Protocol::Generic)?.family(nl_mptcp::FAMILY).await?;
        let events = Events::builder().source(Source::LINK).source(Source::mptcp(&family)?).open();
        Ok::<_, Error>((family.group(nl_mptcp::EVENT_GROUP)?, events.err()))
    });
    let (group, error) = refused.await??;
    let error = error.ok_or("not refused")?;
    assert!(error.is_permission() && !error.is_unsupported(), "{error}");
    assert_eq!(error.errno(), Some(Errno::EPERM), "{error}");
    let text = format!("join NETLINK_GENERIC group {group}: Operation not permitted (EPERM)");
    assert_eq!(error.to_string(), text);
    Ok(())
}

#[nl_testkit::test]
async fn source_of_a_family_without_its_group_is_unsupported(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = node.open(|| Connection::open(Protocol::Generic)).await?;
    let family = conn.family("nlctrl").await?;
    let error = Source::mptcp(&family).err().ok_or("not refused")?;
    assert!(error.is_unsupported() && !error.is_not_found(), "{error}");
    assert!(error.to_string().contains("\"mptcp_pm_events\""), "{error}");
    Ok(())
}

/// The module of a family that no other test uses, in a machine of its own.
#[nl_testkit::test(needs(vm, host_root, tool = "ip"), serial)]
async fn family_of_a_module_appears_and_vanishes(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    if !node.command(["modprobe", "fou"]).await.status.success() {
        return lab.skip(Need::Genl("fou".into()), "there is no module fou");
    }
    remove_fou(&node).await;
    let mut events = node.open(|| Events::builder().source(Source::FAMILY).open()).await?;
    node.command(["modprobe", "fou"]).await.ok();
    family(&mut events, |event| matches!(event, FamilyEvent::New(family) if family.name == "fou")).await;
    remove_fou(&node).await;
    family(&mut events, |event| matches!(event, FamilyEvent::Deleted(family) if family.name == "fou")).await;
    Ok(())
}

/// The events say whether it was removed: the modprobe of busybox fails where a module that this one needs has other users.
async fn remove_fou(node: &Node) {
    node.command(["modprobe", "-r", "fou"]).await;
}

async fn family(events: &mut Events, wanted: fn(&FamilyEvent) -> bool) {
    let found = async {
        loop {
            match events.try_next().await.unwrap().expect("the stream ended") {
                NetworkEvent::Family(event) if wanted(&event) => return,
                NetworkEvent::Family(_) => {}
                other => panic!("an event of another source: {other:?}"),
            }
        }
    };
    within(DEADLINE, found, "an event of the family").await;
}
