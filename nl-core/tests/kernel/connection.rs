use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, pin_mut, poll};
use nl_core::connection::{Connection, Protocol};
use nl_core::error::{ErrorKind, Schema};
use nl_core::message::{IfInfoMsg, NLM_F_ACK, NLM_F_DUMP, RawMessage, Request};
use nl_testkit::{Lab, Result, eventually, within};

use crate::support::{IFLA_IFNAME, LINK, RTM_GETLINK, RTM_NEWLINK, SOON, link_names, new_link, ports, route};

/// An answer that is a device.
fn get_lo() -> Request {
    let mut request = Request::new(RTM_GETLINK, &LINK).with_header(&IfInfoMsg::default());
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
                assert!(error.to_string().starts_with(&format!("look up link none{i}: ")), "{error}")
            }
            (_, outcome) => panic!("request {i}: {outcome:?}"),
        }
    }
    Ok(())
}

#[nl_testkit::test]
async fn time_that_is_up_is_told_and_the_connection_goes_on(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let (error, later) = node
        .run(|| async {
            // A runtime that nobody drives at first, so that the connection's task gets no turn.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let conn = {
                let _inside = runtime.enter();
                Connection::open(Protocol::Route).unwrap()
            };
            let error = conn.with_timeout(Duration::from_millis(20)).link("lo").await.unwrap_err();
            let later = std::thread::spawn(move || runtime.block_on(async { conn.link("lo").await }));
            (error, later.join().unwrap())
        })
        .await;
    assert!(error.is_timeout() && !error.is_not_found(), "{error:?}");
    assert_eq!(error.to_string(), "look up link lo: no answer within 20ms");
    assert_eq!(later?.name, "lo");
    Ok(())
}

/// A request the kernel takes for a control message and passes over in silence.
fn unanswered() -> Request {
    Request::new(1, &Schema::UNKNOWN).with_header(&IfInfoMsg::default())
}

#[nl_testkit::test]
async fn a_dump_the_kernel_does_not_answer_times_out(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await.with_timeout(Duration::from_millis(20));
    let dump = conn.dump(unanswered(), |_| Ok(Some(())));
    let error = within(SOON, dump.collect_all(), "the time limit").await.unwrap_err();
    assert_eq!(error.to_string(), "netlink request of type 1: no answer within 20ms");
    Ok(())
}

#[nl_testkit::test]
async fn without_a_limit_a_dump_waits_on(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await.with_timeout(None);
    let dump = conn.dump(unanswered(), |_| Ok(Some(()))).into_future();
    pin_mut!(dump);
    assert!(poll!(dump.as_mut()).is_pending());
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
async fn the_last_handle_ends_the_task_and_closes_the_socket(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = node.open(tasks).await;
    let conn = route(&node).await;
    let clone = conn.clone();
    drop(conn);
    assert_eq!(clone.link("lo").await?.name, "lo", "a clone kept it open");
    ports(&node, 1).await;
    assert_eq!(node.open(tasks).await, before + 1);
    drop(clone);
    ports(&node, 0).await;
    let ended = || async { (node.open(tasks).await == before).then_some(()) };
    eventually(SOON, ended, "the task to end").await;
    Ok(())
}

#[nl_testkit::test]
async fn a_handle_dropped_before_its_task_ran_leaves_nothing(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.open(|| drop(Connection::open(Protocol::Route))).await;
    ports(&node, 0).await;
    Ok(())
}

#[nl_testkit::test]
fn without_a_runtime_there_is_no_connection(_lab: Lab) -> Result {
    let error = Connection::open(Protocol::Route).unwrap_err();
    assert!(error.is_usage(), "{error:?}");
    assert_eq!(
        error.to_string(),
        "open a NETLINK_ROUTE connection: a connection needs a tokio runtime with io and time enabled"
    );
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
    let request = Request::new(RTM_GETLINK, &LINK)
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
