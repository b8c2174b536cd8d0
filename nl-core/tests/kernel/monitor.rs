use futures_util::{StreamExt, TryStreamExt, poll};
use nl_core::attr::DecodeError;
use nl_core::connection::Protocol;
use nl_core::link::Link;
use nl_core::message::MessageRef;
use nl_core::monitor::{MessageFilter, MessageRule, Monitor, MonitorBuilder};
use nl_testkit::{Lab, Node, Result, within};

use crate::support::{RTM_NEWLINK, RTNLGRP_LINK, SOON, many_links, route};

fn new_links(message: MessageRef<'_>) -> nl_core::Result<Option<String>, DecodeError> {
    if message.kind() != RTM_NEWLINK { Ok(None) } else { Ok(Some(Link::decode(message)?.name.into())) }
}

fn links() -> MonitorBuilder {
    Monitor::builder(Protocol::Route).group(RTNLGRP_LINK)
}

async fn open(node: &Node, builder: MonitorBuilder) -> nl_core::Result<Monitor<String>> {
    node.open(move || builder.open(new_links)).await
}

async fn next(monitor: &mut Monitor<String>) -> String {
    within(SOON, monitor.try_next(), "an event").await.unwrap().unwrap()
}

/// What comes without waiting.
async fn ready(monitor: &mut Monitor<String>) -> Vec<nl_core::Result<String>> {
    let mut items = Vec::new();
    while let std::task::Poll::Ready(Some(item)) = poll!(monitor.next()) {
        items.push(item);
    }
    items
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn an_event_arrives(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mut monitor = open(&node, links()).await?;
    node.ip("link add d0 type bridge").await;
    assert_eq!(next(&mut monitor).await, "d0");
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "vxlan", tool = "ip"))]
async fn events_come_in_the_order_they_happened(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mut monitor = open(&node, links()).await?;
    // So few that they fit the receive buffer an unprivileged socket gets on the oldest kernel.
    many_links(&route(&node).await, "d", 50).await;
    for i in 0..50 {
        assert_eq!(next(&mut monitor).await, format!("d{i}"));
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn an_event_that_cannot_be_read_is_an_error_in_its_place(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mut first = true;
    let decode = move |message: MessageRef<'_>| match std::mem::take(&mut first) {
        true => Err(DecodeError::Missing(3)),
        false => new_links(message),
    };
    let mut monitor = node.open(move || links().open(decode)).await?;
    node.ip("link add d0 type bridge").await;
    node.ip("link add d1 type bridge").await;
    let error = within(SOON, monitor.try_next(), "an event").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "read an event of type 16: cannot read the kernel's answer: attribute 3 is missing"
    );
    assert_eq!(next(&mut monitor).await, "d1");
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "vxlan", tool = "ip"))]
async fn lost_events_are_reported_once_and_the_stream_goes_on(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mut monitor = open(&node, links().receive_buffer(0)).await?;
    many_links(&route(&node).await, "d", 200).await;
    let items = ready(&mut monitor).await;
    let overruns = items.iter().filter(|item| item.as_ref().is_err_and(nl_core::Error::is_overrun)).count();
    assert_eq!(overruns, 1, "{items:?}");
    assert_eq!(
        items.iter().find_map(|item| item.as_ref().err()).unwrap().to_string(),
        "wait for events: receive buffer full, messages were lost (ENOBUFS)"
    );
    assert!((2..100).contains(&items.len()), "{items:?}");
    node.ip("link add late type bridge").await;
    assert_eq!(next(&mut monitor).await, "late");
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "vxlan", tool = "ip"))]
async fn what_is_pending_can_be_discarded_after_a_loss(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mut monitor = open(&node, links().receive_buffer(0)).await?;
    many_links(&route(&node).await, "d", 200).await;
    let error = within(SOON, monitor.try_next(), "the loss").await.unwrap_err();
    assert!(error.is_overrun(), "{error:?}");
    assert!(monitor.discard_pending()?);
    assert!(!monitor.discard_pending()?, "nothing came in between");
    node.ip("link add late type bridge").await;
    assert_eq!(next(&mut monitor).await, "late");
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "vxlan", tool = "ip"))]
async fn a_loss_is_discarded_with_what_is_pending(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mut monitor = open(&node, links().receive_buffer(0)).await?;
    many_links(&route(&node).await, "d", 200).await;
    assert!(monitor.discard_pending()?);
    node.ip("link add late type bridge").await;
    assert_eq!(next(&mut monitor).await, "late");
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn a_monitor_opened_from_elsewhere_hears_its_namespace(lab: Lab) -> Result {
    let (here, there) = (lab.node("a").await?, lab.node("b").await?);
    let netns = nl_core::netns::Netns::fd(there.netns_fd())?;
    let mut monitor = open(&here, links().netns(&netns)).await?;
    here.ip("link add wrong type bridge").await;
    there.ip("link add right type bridge").await;
    assert_eq!(next(&mut monitor).await, "right");
    Ok(())
}

#[nl_testkit::test]
async fn a_group_the_kernel_does_not_have_is_named(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let error = open(&node, links().group(4096)).await.unwrap_err();
    assert_eq!(error.to_string(), "join NETLINK_ROUTE group 4096: Invalid argument (EINVAL)");
    let error = open(&node, links().group(u32::MAX)).await.unwrap_err();
    assert_eq!(error.to_string(), "join NETLINK_ROUTE group 4294967295: Invalid argument (EINVAL)");
    Ok(())
}

#[nl_testkit::test]
async fn the_receive_buffer_is_as_large_as_asked(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let small = open(&node, links().receive_buffer(0)).await?;
    let large = open(&node, links().receive_buffer(100_000)).await?;
    // The kernel counts what it needs for itself and doubles.
    assert_eq!(large.receive_buffer(), 200_000);
    assert!(small.receive_buffer() < 5_000);
    Ok(())
}

/// What the filter leaves out takes no room in the receive buffer.
#[nl_testkit::test(needs(link = "bridge", link = "vxlan", tool = "ip"))]
async fn messages_that_a_filter_leaves_out_fill_no_buffer(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add wanted type bridge").await;
    let rule = MessageRule::new(16..=17).family(0).index(node.index_of("wanted").await?);
    let filter = MessageFilter::new().accept(rule);
    let mut monitor = open(&node, links().receive_buffer(0).filter(filter)).await?;
    many_links(&route(&node).await, "d", 200).await;
    node.ip("link set wanted mtu 1400").await;
    assert_eq!(next(&mut monitor).await, "wanted");
    Ok(())
}

#[nl_testkit::test]
async fn filter_that_the_headers_cannot_answer_is_refused(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let filter = MessageFilter::new().accept(MessageRule::new(24..=25).index(1));
    let error = open(&node, links().filter(filter)).await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("no interface in their header"), "{error}");
    Ok(())
}
