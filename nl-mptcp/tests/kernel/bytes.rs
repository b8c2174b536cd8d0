//! What we send against what `ip mptcp` sends for the same words, byte for byte.

#[path = "../golden/pm.rs"]
mod commands;

use std::net::Ipv4Addr;

use nl_mptcp::{AddressId, FAMILY, Mptcp};
use nl_testkit::oracle::{Blessing, Sent};
use nl_testkit::{Lab, Node, Result};

use self::commands::{FILE, Line, Numbers, V4, V4_THERE, lines, v6};
use crate::support::open;

/// Needs nothing but the right to trace a child: iproute2's requests are read from it, ours come from the codec.
#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"), timeout = 60)]
async fn codec_requests_equal_iproute2(lab: Lab) -> Result {
    let (node, _mptcp, numbers) = world(&lab).await?;
    let mut blessing = Blessing::new(FILE, &lab.iproute2_version().await?).numbers(&numbers);
    let mut wrong = Vec::new();
    for line in lines() {
        let (_, theirs) = node.requests_of(&format!("ip mptcp {}", line.command)).await?;
        wrong.extend(differs(&line, &line.request(&numbers)?, &theirs, &numbers));
        for request in of_the_family(&theirs, &numbers) {
            blessing.add(&format!("ip mptcp {}", line.command), &request.message);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    blessing.save()?;
    Ok(())
}

/// Both go through the kernel, ours from the handle, and nlmon sees both.
#[nl_testkit::test(needs(link = "nlmon", genl = "mptcp_pm", tool = "ip"), timeout = 60)]
async fn handle_requests_equal_iproute2(lab: Lab) -> Result {
    let (node, mptcp, numbers) = world(&lab).await?;
    let mut recording = node.record().await?;
    let mut wrong = Vec::new();
    for line in lines() {
        recording.take()?;
        // Other tests check whether the kernel accepts it; here only the request matters.
        let _ = send(&mptcp, line.command).await;
        let ours = recording.take()?;
        let _ = node.command(format!("ip mptcp {}", line.command).split_whitespace()).await;
        let theirs = recording.take()?;
        // A change and a deletion by address read first.
        let Some(ours) = of_the_family(&ours, &numbers).last().copied() else {
            wrong.push(format!("`{}`: ours sent nothing", line.command));
            continue;
        };
        wrong.extend(differs(&line, &ours.message, &theirs, &numbers));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

async fn send(mptcp: &Mptcp, command: &str) -> nl_core::Result<()> {
    let id = AddressId::new;
    match command {
        "endpoint add 10.9.0.1" => mptcp.endpoint(V4).add().await.map(drop),
        "endpoint add 10.9.0.1 id 5 signal" => mptcp.endpoint(V4).id(5).signal().add().await.map(drop),
        "endpoint add 10.9.0.1 dev eth0 subflow backup" => {
            mptcp.endpoint(V4).dev("eth0").subflow().backup().add().await.map(drop)
        }
        "endpoint add 2001:db8::1 dev eth0 subflow fullmesh" => {
            mptcp.endpoint(v6()).dev("eth0").subflow().fullmesh().add().await.map(drop)
        }
        "endpoint add 127.0.0.1 port 4321 signal" => {
            mptcp.endpoint(Ipv4Addr::LOCALHOST).port(4321).signal().add().await.map(drop)
        }
        "endpoint change 10.9.0.7 backup" => mptcp.endpoint(V4_THERE).backup().change().await.map(drop),
        "endpoint change 10.9.0.7 nobackup" => mptcp.endpoint(V4_THERE).nobackup().change().await.map(drop),
        "endpoint change id 7 fullmesh" => mptcp.endpoint(id(7)).fullmesh().change().await.map(drop),
        "endpoint show" => mptcp.endpoints().list().await?.collect_all().await.map(drop),
        "endpoint show id 7" => mptcp.endpoint(id(7)).get().await.map(drop),
        "endpoint delete id 7" => mptcp.endpoint(id(7)).delete().await.map(drop),
        "endpoint delete id 0 10.9.0.1" => mptcp.endpoint(V4).drop_initial().await.map(drop),
        "endpoint flush" => mptcp.endpoints().flush().await.map(drop),
        "limits show" => mptcp.limits().get().await.map(drop),
        "limits set subflows 4" => mptcp.limits().subflows(4).set().await.map(drop),
        "limits set add_addr_accepted 2" => mptcp.limits().add_addr_accepted(2).set().await.map(drop),
        "limits set subflows 8 add_addr_accepted 8" => {
            mptcp.limits().subflows(8).add_addr_accepted(8).set().await.map(drop)
        }
        other => panic!("`{other}` has no call of the handle"),
    }
}

fn differs(line: &Line, ours: &[u8], theirs: &[Sent], numbers: &Numbers) -> Option<String> {
    let [theirs] = &of_the_family(theirs, numbers)[..] else {
        return Some(format!("`{}`: iproute2 sent not one request: {theirs:?}", line.command));
    };
    let mismatch = line.compare(ours, &theirs.message).err()?;
    Some(format!("`{}`: {mismatch}", line.command))
}

fn of_the_family<'a>(sent: &'a [Sent], numbers: &Numbers) -> Vec<&'a Sent> {
    sent.iter().filter(|sent| sent.protocol == 16 && u32::from(sent.kind()) == numbers[FAMILY]).collect()
}

/// A node with `eth0` and an endpoint of id 7.
async fn world(lab: &Lab) -> Result<(Node, Mptcp, Numbers)> {
    let [node, _other] = lab.wire("a", "b").await?;
    node.up("lo").await?;
    node.ip("mptcp endpoint add 10.9.0.7 id 7 subflow").await;
    let mptcp = open(&node).await?;
    let family = mptcp.connection().family(FAMILY).await?.id;
    let numbers = Numbers::from([
        (FAMILY.to_owned(), family.into()),
        ("eth0".to_owned(), node.index_of("eth0").await?),
    ]);
    Ok((node, mptcp, numbers))
}
