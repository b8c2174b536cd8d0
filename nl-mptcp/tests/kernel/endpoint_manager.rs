//! Endpoints that follow addresses, by what iproute2 shows.

use futures_util::StreamExt;
use nl_mptcp::endpoint::EndpointFlags;
use nl_mptcp::endpoint_manager::{EndpointManager, EndpointPolicy, EndpointReport};
use nl_testkit::{Lab, Node, Result, eventually, within};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{Net, SOON, open};

/// A manager that runs until it is stopped, and then removes its endpoints or leaves them.
struct Running {
    end: oneshot::Sender<bool>,
    task: JoinHandle<Vec<String>>,
}

impl Running {
    async fn start(node: &Node, policy: EndpointPolicy) -> Result<Self> {
        let mptcp = open(node).await?;
        let (end, mut told) = oneshot::channel();
        let begun = node.run(move || async move {
            let mut manager = EndpointManager::open(&mptcp, policy).await?;
            Ok::<_, nl_core::Error>(tokio::spawn(async move {
                let mut failed = Vec::new();
                let remove = loop {
                    tokio::select! {
                        report = manager.next() => match report.unwrap() {
                            Ok(EndpointReport::Failed { error, .. }) | Err(error) => failed.push(error.to_string()),
                            Ok(_) => {}
                        },
                        remove = &mut told => break remove.unwrap(),
                    }
                };
                if remove {
                    manager.remove().await.unwrap();
                }
                failed
            }))
        });
        Ok(Self { end, task: begun.await? })
    }

    /// Ends it, and returns what failed.
    async fn stop(self, remove: bool) -> Vec<String> {
        self.end.send(remove).unwrap();
        within(SOON, self.task, "the manager to end").await.unwrap()
    }
}

/// Each endpoint as iproute2 shows it: address, device, and the flags that are set.
async fn shown(node: &Node) -> Vec<(String, String, Vec<&'static str>)> {
    let list = node.json("ip -j mptcp endpoint show").await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|endpoint| {
            let flags = ["signal", "subflow", "backup", "fullmesh"];
            let set = flags.into_iter().filter(|flag| endpoint[flag] == true).collect();
            (text(&endpoint["address"]), text(&endpoint["dev"]), set)
        })
        .collect();
    all.sort();
    all
}

async fn settle_on(node: &Node, wanted: &[(&str, &str, &[&'static str])], what: &str) {
    let wanted: Vec<_> = wanted
        .iter()
        .map(|(address, dev, flags)| ((*address).to_owned(), (*dev).to_owned(), flags.to_vec()))
        .collect();
    eventually(SOON, async || (shown(node).await == wanted).then_some(()), what).await;
}

fn policy() -> EndpointPolicy {
    EndpointPolicy::new()
        .interface("eth2", EndpointFlags::SUBFLOW | EndpointFlags::BACKUP)
        .interface("eth*", EndpointFlags::SUBFLOW)
        .network("10.0.0.0/8".parse().unwrap())
        .limits(Some(4), None)
}

const FIRST: (&str, &str, &[&str]) = ("10.0.1.1", "eth1", &["subflow"]);
const SECOND: (&str, &str, &[&str]) = ("10.0.2.1", "eth2", &["subflow", "backup"]);
const FOREIGN: (&str, &str, &[&str]) = ("10.7.7.7", "", &["signal"]);

#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"), timeout = 60)]
async fn endpoints_follow_addresses_and_interfaces(lab: Lab) -> Result {
    let net = Net::new(&lab).await?;
    let client = &net.client;
    client.ip("mptcp endpoint add 10.7.7.7 id 1 signal").await;
    // What an earlier run left: one of an address that is gone, one with other flags.
    client.ip("mptcp endpoint add 10.0.9.1 id 100 subflow").await;
    client.ip("mptcp endpoint add 10.0.2.1 id 101 subflow dev eth2").await;
    let manager = Running::start(client, policy()).await?;
    settle_on(client, &[FIRST, SECOND, FOREIGN], "the endpoints to converge").await;
    assert_eq!(client.ip("mptcp limits show").await.trim(), "add_addr_accepted 0 subflows 4");

    client.ip("address del 10.0.1.1/24 dev eth1").await;
    settle_on(client, &[SECOND, FOREIGN], "the endpoint to go with its address").await;
    client.ip("address add 10.0.1.1/24 dev eth1").await;
    settle_on(client, &[FIRST, SECOND, FOREIGN], "the endpoint to come with its address").await;
    client.down("eth2").await?;
    settle_on(client, &[FIRST, FOREIGN], "the endpoint to go with its interface").await;
    client.up("eth2").await?;
    settle_on(client, &[FIRST, SECOND, FOREIGN], "the endpoint to come with its interface").await;
    assert_eq!(manager.stop(true).await, [] as [String; 0]);
    settle_on(client, &[FOREIGN], "its own endpoints to be removed").await;
    Ok(())
}

#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"), timeout = 60)]
async fn exact_policy_deletes_foreign_endpoints_and_leaves_its_own(lab: Lab) -> Result {
    let net = Net::new(&lab).await?;
    net.client.ip("mptcp endpoint add 10.7.7.7 id 1 signal").await;
    let manager = Running::start(&net.client, policy().exact()).await?;
    settle_on(&net.client, &[FIRST, SECOND], "the endpoints to converge").await;
    assert_eq!(manager.stop(false).await, [] as [String; 0]);
    settle_on(&net.client, &[FIRST, SECOND], "the endpoints to stay").await;
    Ok(())
}
