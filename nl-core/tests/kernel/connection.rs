use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt, pin_mut, poll};
use nl_core::Request;
use nl_core::connection::{Connection, Protocol};
use nl_core::error::ErrorKind;
use nl_core::message::{IfInfoMsg, NLM_F_ACK, NLM_F_DUMP, RawMessage};
use nl_testkit::{Lab, Result, within};

use crate::support::{
    IFLA_IFNAME, LINK, RTM_GETLINK, RTM_NEWLINK, SOON, describe_link, link_names, new_link, ports, route,
};

/// An answer that is a device.
fn get_lo() -> Request {
    let mut request = Request::new(RTM_GETLINK, &LINK, describe_link).with_header(&IfInfoMsg::default());
    request.attrs().str(IFLA_IFNAME, "lo");
    request
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn a_change_that_is_acknowledged_was_made(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let ack = route(&node).await.ack(new_link("d0", "bridge")).await?;
    assert_eq!(ack.warning(), None);
    assert_eq!(link_names(&node).await, ["d0", "lo"]);
    Ok(())
}

/// In the same namespace, whichever thread asks for it, and with the same time limit.
#[nl_testkit::test(needs(link = "bridge"))]
async fn a_sibling_is_where_the_connection_is(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.add_bridge("d0").await?;
    let generic = node.open(|| Connection::builder(Protocol::Generic).timeout(SOON).open()).await?;
    let sibling = generic.sibling(Protocol::Route)?;
    assert_eq!((sibling.protocol(), sibling.netns()?), (Protocol::Route, generic.netns()?));
    assert_eq!(sibling.link_index("d0").await?, node.index_of("d0").await?);
    assert!(format!("{sibling:?}").contains(&format!("{SOON:?}")), "{sibling:?}");
    Ok(())
}

#[nl_testkit::test]
async fn an_exchange_returns_the_answer_and_the_verdict(lab: Lab) -> Result {
    let reply = route(&lab.node("a").await?).await.exchange(get_lo()).await?;
    assert_eq!(reply.messages.iter().map(RawMessage::kind).collect::<Vec<_>>(), [RTM_NEWLINK]);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge"))]
async fn a_verdict_alone_is_no_object(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await;
    let error = conn.get(new_link("d0", "bridge"), |_| Ok(())).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Decode(_)), "{error:?}");
    assert!(error.to_string().starts_with("change link d0: "), "{error}");
    Ok(())
}

#[nl_testkit::test]
async fn an_answer_that_cannot_be_read_names_the_request(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await;
    let error =
        conn.get(get_lo(), |m| Err::<(), _>(nl_core::attr::DecodeError::Kind(m.kind()))).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "change link lo: cannot read the kernel's answer: message type 16 was not expected here"
    );
    Ok(())
}

#[nl_testkit::test]
async fn a_thousand_requests_at_a_time_get_their_own_answers(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await;
    let asked = (0..1000).map(|i| {
        let conn = conn.clone();
        async move {
            match i % 2 {
                0 => conn.link("lo").await.map(|link| link.name),
                _ => conn.link(format!("none{i}")).await.map(|link| link.name),
            }
        }
    });
    for (i, outcome) in within(SOON, join_all(asked), "1000 outcomes").await.into_iter().enumerate() {
        match (i % 2, outcome) {
            (0, Ok(name)) => assert_eq!(name, "lo"),
            (1, Err(error)) => {
                assert!(error.to_string().starts_with(&format!("get link none{i}: ")), "{error}")
            }
            (_, outcome) => panic!("request {i}: {outcome:?}"),
        }
    }
    Ok(())
}

#[nl_testkit::test]
async fn a_dropped_future_leaves_the_connection_usable(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    for _ in 0..100 {
        let pending = conn.link("lo");
        pin_mut!(pending);
        let _ = poll!(pending);
    }
    assert_eq!(conn.link("lo").await?.name, "lo");
    Ok(())
}

#[nl_testkit::test]
async fn dropping_the_last_handle_closes_the_socket_and_no_task_was_spawned(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = node.open(tasks).await;
    let conn = route(&node).await;
    let clone = conn.clone();
    drop(conn);
    assert_eq!(clone.link("lo").await?.name, "lo", "a clone kept it open");
    ports(&node, 1).await;
    assert_eq!(node.open(tasks).await, before);
    drop(clone);
    ports(&node, 0).await;
    Ok(())
}

#[nl_testkit::test]
fn without_a_runtime_the_kernel_answers_all_the_same(_lab: Lab) -> Result {
    let conn = Connection::open(Protocol::Route)?;
    let (link, links) = futures_util::future::join(conn.link("lo"), conn.links().collect_all())
        .now_or_never()
        .ok_or("an answer was not ready")?;
    assert_eq!(link?.name, "lo");
    assert!(links?.iter().any(|link| link.name == "lo"));
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn a_sensitive_request_is_carried_out_like_any_other(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    conn.ack(new_link("d0", "bridge").sensitive()).await?;
    assert_eq!(link_names(&node).await, ["d0", "lo"]);
    let error = conn.ack(new_link("d0", "bridge").sensitive()).await.unwrap_err();
    assert!(error.is_exists(), "{error}");
    ports(&node, 1).await;
    Ok(())
}

#[nl_testkit::test]
async fn an_answer_in_many_parts_is_returned_whole(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let request = Request::new(RTM_GETLINK, &LINK, describe_link)
        .with_flags(NLM_F_DUMP | NLM_F_ACK)
        .with_header(&IfInfoMsg::default());
    let reply = route(&node).await.exchange(request).await?;
    assert_eq!(reply.messages.len(), node.links().await?.len());
    Ok(())
}

#[nl_testkit::test]
async fn a_closed_stream_stays_closed(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await;
    let mut links = conn.links();
    while links.next().await.is_some() {}
    assert!(links.next().await.is_none());
    Ok(())
}

#[nl_testkit::test]
async fn the_receive_buffer_in_force_can_be_read_and_an_impossible_one_is_refused(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let sized = |bytes| move || Connection::builder(Protocol::Route).receive_buffer(bytes).open();
    // The kernel reserves twice as much.
    assert_eq!(node.open(sized(50_000)).await?.receive_buffer(), 100_000);
    // Never less than the kernel's minimum.
    let smallest = node.open(sized(0)).await?.receive_buffer();
    assert!((1..5_000).contains(&smallest), "{smallest}");
    for over in [usize::try_from(u32::MAX)?, usize::MAX] {
        assert!(node.open(sized(over)).await.unwrap_err().is_usage());
    }
    let error = node.open(sized((1 << 30) + 1)).await.unwrap_err();
    assert!(error.is_usage(), "{error:?}");
    assert_eq!(error.to_string(), "a receive buffer of 1073741825 bytes; the limit is 1 GiB");
    Ok(())
}
