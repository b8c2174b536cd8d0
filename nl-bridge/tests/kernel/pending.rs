//! Verbs awaited, spawned and waited for without a runtime: the same code, the same requests.

use nl_bridge::fdb::Fdb;
use nl_core::Request;
use nl_core::message::IfInfoMsg;
use nl_testkit::{Lab, Result};

use crate::support::{mac, still_bridge, the};

const RTM_GETLINK: u16 = 18;

/// Sends one request and returns its sequence number.
async fn seq(fdb: &Fdb) -> u32 {
    let lo = IfInfoMsg { index: 1, ..IfInfoMsg::default() };
    let request = Request::unnamed(RTM_GETLINK).with_header(&lo);
    fdb.connection().get(request, |message| Ok(message.seq())).await.unwrap()
}

#[nl_testkit::test(needs(link = "veth"))]
async fn a_name_is_looked_up_with_the_first_change_only(lab: Lab) -> Result {
    let (_bridge, fdb) = still_bridge(&lab).await?;
    let entry = |number| fdb.entry(mac(number), "port1").master().static_();
    let mut numbers = vec![seq(&fdb).await];
    for number in 1..=3 {
        entry(number).add().await?;
        numbers.push(seq(&fdb).await);
    }
    entry(3).delete().await?;
    numbers.push(seq(&fdb).await);
    let between: Vec<_> = numbers.windows(2).map(|pair| pair[1] - pair[0] - 1).collect();
    assert_eq!(between, [2, 1, 1, 1], "requests of each change");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth"))]
async fn a_pending_change_can_be_spawned(lab: Lab) -> Result {
    let (_bridge, fdb) = still_bridge(&lab).await?;
    let all: Vec<_> =
        (1..=64).map(|n| tokio::spawn(fdb.entry(mac(n), "port1").master().static_().add())).collect();
    for added in all {
        added.await??;
    }
    assert_eq!(the(&fdb, mac(64)).await.mac, mac(64));
    Ok(())
}

#[cfg(feature = "blocking")]
#[nl_testkit::test(needs(link = "veth"))]
async fn verbs_wait_on_a_thread_without_a_runtime(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    fdb.entry(mac(1), "port1").master().static_().add().await?;
    let index = bridge.node().index_of("port1").await?;
    let waiting = fdb.clone();
    let thread = std::thread::spawn(move || -> nl_core::Result<()> {
        assert!(tokio::runtime::Handle::try_current().is_err());
        let entry = |number| waiting.entry(mac(number), "port1").master().static_();
        entry(2).add().wait()?;
        assert!(entry(2).add().wait().unwrap_err().is_exists());
        assert_eq!(entry(2).get().wait()?.index, index);
        let mut seen = Vec::new();
        for listed in waiting.entries().bridge("br0").static_().list().wait()? {
            seen.push(listed?.mac);
        }
        seen.sort_by_key(|mac| mac.octets());
        assert_eq!(seen, [mac(1), mac(2)]);
        waiting.entries().bridge("br0").static_().flush().wait()?;
        Ok(())
    });
    // The connection is used on the runtime at the same time.
    while !thread.is_finished() {
        fdb.connection().link_index("lo").await?;
        tokio::task::yield_now().await;
    }
    thread.join().unwrap()?;
    assert!(fdb.entry(mac(1), "port1").master().get().await.unwrap_err().is_not_found());
    Ok(())
}

/// Inside the runtime it blocks the thread, and nothing else.
#[cfg(feature = "blocking")]
#[nl_testkit::test(needs(link = "veth"))]
async fn verbs_can_be_waited_for_beside_tokio(lab: Lab) -> Result {
    let (_bridge, fdb) = still_bridge(&lab).await?;
    fdb.entry(mac(1), "port1").master().static_().add().wait()?;
    fdb.entry(mac(2), "port1").master().static_().add().await?;
    let listed: nl_core::Result<Vec<_>> =
        fdb.entries().bridge("br0").static_().list().wait()?.into_iter().collect();
    assert_eq!(listed?.len(), 2);
    Ok(())
}
