//! Endpoints both ways: what we make iproute2 shows, what it makes we read.

use nl_core::Result as CoreResult;
use nl_core::error::Errno;
use nl_mptcp::endpoint::{Endpoint, EndpointFlags};
use nl_mptcp::{AddressId, Mptcp};
use nl_testkit::{Lab, Node, Result, by_kernel};
use serde_json::{Value, json};

use crate::support::{kernel, open};

/// What iproute2 shows, in a form that does not depend on its version.
async fn shown(node: &Node) -> Vec<Value> {
    let list = node.json("ip -j mptcp endpoint show").await;
    list.as_array().unwrap().clone()
}

async fn ours(mptcp: &Mptcp, node: &Node) -> Vec<Value> {
    let mut list = Vec::new();
    for endpoint in mptcp.endpoints().list().await.unwrap().collect_all().await.unwrap() {
        list.push(as_iproute2(&endpoint, node).await);
    }
    list
}

/// An endpoint as iproute2 would print it.
async fn as_iproute2(endpoint: &Endpoint, node: &Node) -> Value {
    let mut out = json!({ "address": endpoint.address.to_string(), "id": endpoint.id.get() });
    if let Some(port) = endpoint.port {
        out["port"] = port.into();
    }
    for (flag, word) in [
        (EndpointFlags::SIGNAL, "signal"),
        (EndpointFlags::SUBFLOW, "subflow"),
        (EndpointFlags::BACKUP, "backup"),
        (EndpointFlags::FULLMESH, "fullmesh"),
        (EndpointFlags::IMPLICIT, "implicit"),
    ] {
        if endpoint.flags.contains(flag) {
            out[word] = true.into();
        }
    }
    if let Some(index) = endpoint.index {
        for name in node.links().await.unwrap() {
            if node.index_of(&name).await.unwrap() == index {
                out["dev"] = name.into();
            }
        }
    }
    out
}

async fn node(lab: &Lab) -> Result<(Node, Mptcp)> {
    let [node, _other] = lab.wire("a", "b").await?;
    node.up("lo").await?;
    let mptcp = open(&node).await?;
    Ok((node, mptcp))
}

fn v4(last: u8) -> std::net::Ipv4Addr {
    [10, 9, 0, last].into()
}

#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn added_endpoints_are_shown_by_iproute2(lab: Lab) -> Result {
    let (node, mptcp) = node(&lab).await?;
    let index = node.index_of("eth0").await?;
    let v6: std::net::Ipv6Addr = "2001:db8::1".parse()?;
    mptcp.endpoint(v4(1)).add().await?;
    mptcp.endpoint(v4(2)).id(9).signal().add().await?;
    mptcp.endpoint(v6).dev("eth0").subflow().backup().fullmesh().add().await?;
    mptcp.endpoint(std::net::Ipv4Addr::LOCALHOST).signal().port(4321).add().await?;
    mptcp.endpoint(v4(3)).id(255).dev(index).subflow().signal().add().await?;

    let expected = json!([
        { "address": "10.9.0.1", "id": 1 },
        { "address": "10.9.0.2", "id": 9, "signal": true },
        { "address": "2001:db8::1", "id": 10, "subflow": true, "backup": true, "fullmesh": true, "dev": "eth0" },
        { "address": "127.0.0.1", "id": 11, "port": 4321, "signal": true },
        { "address": "10.9.0.3", "id": 255, "subflow": true, "signal": true, "dev": "eth0" },
    ]);
    let shown = Value::from(shown(&node).await);
    assert_eq!(by_id(&shown), by_id(&expected), "{shown:#}");
    Ok(())
}

fn by_id(list: &Value) -> Vec<Value> {
    let mut list = list.as_array().unwrap().clone();
    list.sort_by_key(|endpoint| endpoint["id"].as_u64());
    list
}

#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn endpoints_added_by_iproute2_are_listed(lab: Lab) -> Result {
    let (node, mptcp) = node(&lab).await?;
    for line in [
        "10.9.0.1 id 3 signal",
        "10.9.0.2 dev eth0 subflow backup",
        "2001:db8::7 id 77 subflow fullmesh dev eth0",
        "127.0.0.1 port 4321 signal",
        "::1 port 4322 signal backup",
    ] {
        node.ip(&format!("mptcp endpoint add {line}")).await;
    }
    let shown = shown(&node).await;
    assert_eq!(shown.len(), 5);
    assert_eq!(ours(&mptcp, &node).await, shown);

    for endpoint in &shown {
        let id = AddressId::new(u8::try_from(endpoint["id"].as_u64().unwrap())?);
        let by_id = mptcp.endpoint(id).get().await?;
        assert_eq!(&as_iproute2(&by_id, &node).await, endpoint);
        assert_eq!(mptcp.endpoint(by_id.address).get().await?, by_id);
    }
    Ok(())
}

#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn named_endpoint_is_printed_as_by_iproute2(lab: Lab) -> Result {
    let (node, mptcp) = node(&lab).await?;
    mptcp.endpoint(v4(2)).dev("eth0").subflow().backup().add().await?;
    mptcp.endpoint(std::net::Ipv4Addr::LOCALHOST).port(4321).signal().add().await?;
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let theirs: Vec<_> = node.ip("mptcp endpoint show").await.lines().map(words).collect();
    let ours = mptcp.endpoints().list().await?.collect_all().await?;
    let ours: Vec<_> = ours.iter().map(|endpoint| words(&endpoint.on("eth0").to_string())).collect();
    assert_eq!(ours, theirs);
    Ok(())
}

/// The kernel deletes by id. It reports success for a deletion by address and does nothing.
#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn deleting_by_address_deletes_endpoint(lab: Lab) -> Result {
    let (node, mptcp) = node(&lab).await?;
    for last in 1..=3 {
        node.ip(&format!("mptcp endpoint add 10.9.0.{last} signal")).await;
    }
    mptcp.endpoint(v4(2)).delete().await?;
    assert_eq!(shown(&node).await.iter().map(|e| e["id"].clone()).collect::<Vec<_>>(), [1, 3]);
    mptcp.endpoint(AddressId::new(3)).delete().await?;
    assert_eq!(shown(&node).await.iter().map(|e| e["id"].clone()).collect::<Vec<_>>(), [1]);

    for error in [
        mptcp.endpoint(v4(2)).delete().await.unwrap_err(),
        mptcp.endpoint(AddressId::new(3)).delete().await.unwrap_err(),
        mptcp.endpoint(v4(1)).id(7).delete().await.unwrap_err(),
        mptcp.endpoint(v4(1)).port(9).delete().await.unwrap_err(),
        mptcp.endpoint(AddressId::new(3)).get().await.unwrap_err(),
        mptcp.endpoint(v4(9)).get().await.unwrap_err(),
        mptcp.endpoint(v4(9)).backup().change().await.unwrap_err(),
    ] {
        assert!(error.is_not_found(), "{error}");
    }
    let error = mptcp.endpoint(v4(2)).delete().await.unwrap_err().to_string();
    assert_eq!(error, "delete mptcp endpoint 10.9.0.2: No such device or address (ENXIO)");
    assert_eq!(shown(&node).await.len(), 1);
    Ok(())
}

#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn endpoints_of_one_address_are_selected_by_port(lab: Lab) -> Result {
    let (node, mptcp) = node(&lab).await?;
    for port in [4321, 4322] {
        node.ip(&format!("mptcp endpoint add 127.0.0.1 port {port} signal")).await;
    }
    let lo = std::net::Ipv4Addr::LOCALHOST;
    let error = mptcp.endpoint(lo).delete().await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("port()"), "{error}");
    mptcp.endpoint(lo).port(4322).delete().await?;
    let left: Vec<_> = shown(&node).await.iter().map(|e| e["port"].clone()).collect();
    assert_eq!(left, [4321]);
    Ok(())
}

#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn flushing_deletes_all_endpoints_and_restarts_ids(lab: Lab) -> Result {
    let (node, mptcp) = node(&lab).await?;
    for last in 1..=4 {
        node.ip(&format!("mptcp endpoint add 10.9.0.{last} signal")).await;
    }
    mptcp.endpoints().flush().await?;
    assert!(shown(&node).await.is_empty());
    mptcp.endpoint(v4(5)).add().await?;
    assert_eq!(shown(&node).await[0]["id"], 1);
    Ok(())
}

/// The two series of `pm_netlink.sh`: ids continue after the last one, and wrap around after 255 to free ones.
#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn automatic_ids_continue_after_chosen_ids(lab: Lab) -> Result {
    let (node, mptcp) = node(&lab).await?;
    for (chosen, expected) in [
        ([(3, 100), (5, 254)], [(1, 1), (2, 2), (3, 7), (4, 8), (100, 3), (101, 4), (254, 5), (255, 6)]),
        ([(2, 254), (5, 253)], [(1, 1), (2, 4), (3, 6), (4, 7), (5, 8), (253, 5), (254, 2), (255, 3)]),
    ] {
        mptcp.endpoints().flush().await?;
        for last in 1..=8 {
            let endpoint = mptcp.endpoint(v4(last));
            match chosen.iter().find(|(of, _)| *of == last) {
                Some((_, id)) => endpoint.id(*id).add().await?,
                None => endpoint.add().await?,
            };
        }
        let expected = expected.map(|(id, last)| json!({ "address": format!("10.9.0.{last}"), "id": id }));
        assert_eq!(shown(&node).await, expected);
        assert_eq!(ours(&mptcp, &node).await, expected);
    }
    Ok(())
}

/// The kernel replaces both flags; the one that is not given must not change.
#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn changing_one_flag_preserves_the_other(lab: Lab) -> Result {
    let (node, mptcp) = node(&lab).await?;
    node.ip("mptcp endpoint add 10.9.0.1 id 4 subflow fullmesh dev eth0").await;
    let expect = async |flags: &[&str]| {
        let mut expected = json!({ "address": "10.9.0.1", "id": 4, "subflow": true, "dev": "eth0" });
        for flag in flags {
            expected[flag] = true.into();
        }
        assert_eq!(shown(&node).await, [expected]);
    };
    mptcp.endpoint(v4(1)).backup().change().await?;
    expect(&["backup", "fullmesh"]).await;
    mptcp.endpoint(AddressId::new(4)).nofullmesh().change().await?;
    expect(&["backup"]).await;
    mptcp.endpoint(v4(1)).fullmesh().nobackup().change().await?;
    expect(&["fullmesh"]).await;
    mptcp.endpoint(AddressId::new(4)).nofullmesh().change().await?;
    expect(&[]).await;
    mptcp.endpoint(AddressId::new(4)).backup().fullmesh().change().await?;
    expect(&["backup", "fullmesh"]).await;
    Ok(())
}

#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn endpoint_with_port_is_changed_by_address_or_id(lab: Lab) -> Result {
    let (node, mptcp) = node(&lab).await?;
    node.ip("mptcp endpoint add 127.0.0.1 id 4 port 4321 signal").await;
    let lo = std::net::Ipv4Addr::LOCALHOST;
    let is_backup = async || shown(&node).await[0]["backup"] == true;
    mptcp.endpoint(lo).backup().change().await?;
    assert!(is_backup().await);
    mptcp.endpoint(AddressId::new(4)).nobackup().change().await?;
    assert!(!is_backup().await);
    mptcp.endpoint(lo).port(4321).backup().change().await?;
    assert!(is_backup().await);
    // It is announced, and whether it can have fullmesh too is up to the kernel.
    match mptcp.endpoint(lo).fullmesh().change().await {
        Ok(_) => assert_eq!(shown(&node).await[0]["fullmesh"], true),
        Err(error) => assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}"),
    }
    Ok(())
}

/// iproute2 and ours get the same answer.
#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn signal_with_fullmesh_is_decided_by_the_kernel(lab: Lab) -> Result {
    let (node, mptcp) = node(&lab).await?;
    let theirs = node.command("ip mptcp endpoint add 10.9.0.1 signal fullmesh".split(' ')).await.status;
    let ours = mptcp.endpoint(v4(2)).signal().fullmesh().add().await;
    assert_eq!(ours.is_ok(), theirs.success(), "{ours:?}");
    if let Err(error) = ours {
        assert!(error.errno() == Some(Errno::EINVAL) && error.to_string().contains("signal"), "{error}");
    }
    Ok(())
}

#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn endpoint_without_a_port_is_selected_beside_one_with_a_port(lab: Lab) -> Result {
    let (node, mptcp) = node(&lab).await?;
    node.ip("mptcp endpoint add 127.0.0.1 id 4 port 4321 signal").await;
    node.ip("mptcp endpoint add 127.0.0.1 id 5 signal").await;
    let lo = std::net::Ipv4Addr::LOCALHOST;
    let ids = async || shown(&node).await.iter().map(|e| e["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids().await, [4, 5]);
    assert_eq!(mptcp.endpoint(lo).get().await?.id, AddressId::new(5));
    mptcp.endpoint(lo).backup().change().await?;
    let backups: Vec<_> = shown(&node).await.iter().map(|e| e["backup"] == true).collect();
    assert_eq!(backups, [false, true]);
    mptcp.endpoint(lo).delete().await?;
    assert_eq!(ids().await, [4]);
    Ok(())
}

#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn existing_address_or_id_is_refused(lab: Lab) -> Result {
    let (node, mptcp) = node(&lab).await?;
    mptcp.endpoint(v4(1)).id(4).signal().add().await?;
    let same = mptcp.endpoint(v4(1)).signal().add().await.unwrap_err();
    let taken = mptcp.endpoint(v4(2)).id(4).signal().add().await.unwrap_err();
    for error in [&same, &taken] {
        let text = error.kernel().unwrap().ext_ack.message.clone().unwrap();
        assert!(text.contains("too many addresses or duplicate one"), "{error}");
    }
    let errnos = by_kernel([Errno::EINVAL; 2], &[((6, 12), [Errno::EEXIST, Errno::EBUSY])]);
    assert_eq!([same.errno(), taken.errno()], errnos.map(Some), "{same}\n{taken}");
    assert!(same.to_string().starts_with("add mptcp endpoint 10.9.0.1 signal: "), "{same}");
    assert_eq!(shown(&node).await.len(), 1);

    // A port on which the kernel cannot listen.
    let error = mptcp.endpoint(v4(7)).port(4321).signal().add().await.unwrap_err();
    assert!(error.to_string().contains("create listen socket error"), "{error}");
    let error = mptcp.endpoint(v4(7)).dev("nodev").signal().add().await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("nodev"), "{error}");
    Ok(())
}

/// 8, or 255 since Linux 7.2.
#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn endpoints_are_added_up_to_the_limit(lab: Lab) -> Result {
    let (node, mptcp) = node(&lab).await?;
    let mut made = 0;
    let error = loop {
        let [_, _, high, low] = (made + 1_u32).to_be_bytes();
        match mptcp.endpoint(std::net::Ipv4Addr::from([10, 9, high, low])).signal().add().await {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(made, by_kernel(8, &[((7, 2), 255)]), "{error}");
    assert_eq!(shown(&node).await.len(), made as usize);
    assert_eq!(mptcp.endpoints().list().await?.collect_all().await?.len(), made as usize);
    assert!(error.kernel().is_some(), "{error}");
    Ok(())
}

/// A kernel silently drops a flag that it does not know.
#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn unknown_endpoint_flag_is_unsupported(lab: Lab) -> Result {
    let (node, mptcp) = node(&lab).await?;
    let unknown = EndpointFlags::from_bits_retain(1 << 30);
    match mptcp.endpoint(v4(1)).subflow().flags(unknown).add().await {
        Ok(_) => {
            assert!(mptcp.endpoint(v4(1)).get().await?.flags.contains(unknown));
            assert!(((6, 16)..(6, 18)).contains(&kernel()), "only 6.16 and 6.17 keep what they do not know");
        }
        Err(error) => {
            assert!(error.is_unsupported() && error.to_string().contains("0x40000000"), "{error}");
            assert!(!error.to_string().contains("laminar"), "{error}");
            assert!(shown(&node).await.is_empty());
        }
    }
    match mptcp.endpoint(v4(2)).laminar().add().await {
        Ok(_) => {
            assert!(mptcp.endpoint(v4(2)).get().await?.flags.contains(EndpointFlags::LAMINAR));
            assert!(kernel() >= (6, 16));
        }
        Err(error) => {
            assert!(error.is_unsupported() && error.to_string().contains("laminar"), "{error}");
            assert!(shown(&node).await.iter().all(|e| e["address"] != "10.9.0.2"));
            assert!(kernel() < (6, 18));
        }
    }
    Ok(())
}

/// Reading needs no privilege.
#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn new_namespace_lists_no_endpoints(lab: Lab) -> Result {
    let (node, mptcp) = node(&lab).await?;
    let all: CoreResult<Vec<Endpoint>> = mptcp.endpoints().list().await?.collect_all().await;
    assert_eq!(all?, []);
    assert!(shown(&node).await.is_empty());
    Ok(())
}

/// By the name it had, which was looked up before.
#[nl_testkit::test(needs(genl = "mptcp_pm", link = "veth", tool = "ip"))]
async fn device_that_is_gone_is_enodev_and_named(lab: Lab) -> Result {
    let (node, mptcp) = node(&lab).await?;
    node.ip("link add gone type veth peer name other").await;
    mptcp.endpoint(v4(1)).dev("gone").subflow().add().await?;
    node.ip("link delete gone").await;
    let error = mptcp.endpoint(v4(2)).dev("gone").subflow().add().await.unwrap_err();
    assert!(error.is_not_found() && !error.is_permission(), "{error}");
    assert_eq!(error.errno(), Some(Errno::ENODEV), "{error}");
    let operation = error.operation().unwrap();
    assert!(operation.starts_with("add mptcp endpoint 10.9.0.2 "), "{error}");
    assert!(operation.split(' ').any(|word| word == "gone"), "{error}");
    assert!(error.to_string().contains(": No such device (ENODEV)"), "{error}");
    assert!(shown(&node).await.iter().all(|endpoint| endpoint["address"] != "10.9.0.2"));
    Ok(())
}
