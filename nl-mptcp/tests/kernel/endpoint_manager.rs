//! Endpoints that follow addresses, by what iproute2 shows.

use futures_util::StreamExt;
use nl_mptcp::endpoint::EndpointFlags;
use nl_mptcp::endpoint_manager::{EndpointManager, EndpointPolicy, EndpointReport};
use nl_testkit::race::Dice;
use nl_testkit::{Lab, Node, Result, eventually, within};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::support::{Net, SOON, open};

/// A manager that runs until it is stopped, and then removes its endpoints or leaves them.
struct Running {
    policies: mpsc::UnboundedSender<EndpointPolicy>,
    end: oneshot::Sender<bool>,
    task: JoinHandle<Vec<String>>,
}

impl Running {
    async fn start(node: &Node, policy: EndpointPolicy) -> Result<Self> {
        let mptcp = open(node).await?;
        let (end, mut ended) = oneshot::channel();
        let (policies, mut others) = mpsc::unbounded_channel();
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
                        Some(other) = others.recv() => manager.set_policy(other).unwrap(),
                        remove = &mut ended => break remove.unwrap(),
                    }
                };
                if remove {
                    manager.remove().await.unwrap();
                }
                failed
            }))
        });
        Ok(Self { policies, end, task: begun.await? })
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

/// Each endpoint as `ip` prints it.
async fn printed(node: &Node) -> Vec<String> {
    let text = node.ip("mptcp endpoint show").await;
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

async fn settle_on_lines(node: &Node, wanted: &[&str], what: &str) {
    eventually(SOON, async || (printed(node).await == wanted).then_some(()), what).await;
}

#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"), timeout = 60)]
async fn policy_with_another_range_of_ids_moves_its_endpoints_only(lab: Lab) -> Result {
    let net = Net::new(&lab).await?;
    let client = &net.client;
    client.ip("mptcp endpoint add 10.7.7.7 id 1 signal").await;
    let manager = Running::start(client, policy()).await?;
    let foreign = "10.7.7.7 id 1 signal";
    let first = [foreign, "10.0.1.1 id 100 subflow dev eth1", "10.0.2.1 id 101 subflow backup dev eth2"];
    settle_on_lines(client, &first, "the endpoints to converge").await;
    manager.policies.send(policy().ids(50..=59))?;
    let moved = [foreign, "10.0.1.1 id 50 subflow dev eth1", "10.0.2.1 id 51 subflow backup dev eth2"];
    settle_on_lines(client, &moved, "the endpoints to move").await;
    // From now on, an id of the old range is anybody's.
    client.ip("mptcp endpoint add 10.8.8.8 id 101 signal").await;
    client.ip("address del 10.0.1.1/24 dev eth1").await;
    let left = [foreign, moved[2], "10.8.8.8 id 101 signal"];
    settle_on_lines(client, &left, "an endpoint to go with its address").await;
    // A review vetoes what the rules say.
    manager
        .policies
        .send(policy().ids(50..=59).review(|local, flags| (local.name != "eth2").then_some(flags)))?;
    settle_on_lines(client, &[foreign, left[2]], "the endpoint to be vetoed").await;
    // Another alters it, and a limit is another one.
    let signal = policy().review(|_, _| Some(EndpointFlags::SIGNAL)).limits(Some(3), Some(2));
    manager.policies.send(signal)?;
    // The id of the range is taken by somebody else's endpoint, which belongs to the policy now, and its address is not here.
    settle_on_lines(client, &[foreign, "10.0.2.1 id 100 signal dev eth2"], "the endpoint to be announced")
        .await;
    assert_eq!(client.ip("mptcp limits show").await.trim(), "add_addr_accepted 2 subflows 3");
    assert_eq!(manager.stop(true).await, [] as [String; 0]);
    settle_on_lines(client, &[foreign], "its own endpoints to be removed").await;
    Ok(())
}

/// The cable is pulled out: the interface is up, and has its address, without a carrier (mptcpd's issue 334).
#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"), timeout = 60)]
async fn endpoint_goes_and_comes_with_the_carrier_of_its_interface(lab: Lab) -> Result {
    let net = Net::new(&lab).await?;
    let manager = Running::start(&net.client, policy()).await?;
    settle_on(&net.client, &[FIRST, SECOND], "the endpoints to converge").await;
    net.server.down("eth2").await?;
    settle_on(&net.client, &[FIRST], "the endpoint to go with the carrier").await;
    let address = net.client.ip("-4 address show dev eth2").await;
    assert!(address.contains("NO-CARRIER") && address.contains("10.0.2.1/24"), "{address}");
    net.server.up("eth2").await?;
    settle_on(&net.client, &[FIRST, SECOND], "the endpoint to come with the carrier").await;
    assert_eq!(manager.stop(true).await, [] as [String; 0]);
    Ok(())
}

/// Those of earlier rules, and no attempt to add what the kernel would refuse (mptcpd's issue 281).
#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"), timeout = 60)]
async fn more_addresses_than_endpoints_are_left_out_without_an_error(lab: Lab) -> Result {
    let net = Net::new(&lab).await?;
    for host in 11..=19 {
        net.client.ip(&format!("address add 10.0.1.{host}/24 dev eth1")).await;
    }
    net.client.ip("mptcp endpoint add 10.7.7.7 id 1 signal").await;
    let manager = Running::start(&net.client, policy()).await?;
    let eight = async || {
        let all = shown(&net.client).await;
        (all.len() == 8 && all.iter().any(|(_, dev, _)| dev == "eth2")).then_some(())
    };
    eventually(SOON, eight, "eight endpoints, with that of the first rule").await;
    // Room for one of those that were left out.
    net.client.ip("address del 10.0.2.1/24 dev eth2").await;
    let moved = async || {
        let all = shown(&net.client).await;
        (all.len() == 8 && all.iter().all(|(_, dev, _)| dev != "eth2")).then_some(())
    };
    eventually(SOON, moved, "another endpoint in its place").await;
    assert_eq!(manager.stop(true).await, [] as [String; 0]);
    settle_on(&net.client, &[FOREIGN], "its own endpoints to be removed").await;
    Ok(())
}

/// What `ip` shows of addresses and links says what endpoints there must be, whatever came before.
#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"), timeout = 240, serial)]
async fn endpoints_after_random_changes_are_those_of_the_addresses(lab: Lab) -> Result {
    let net = Net::new(&lab).await?;
    let client = &net.client;
    // With IPv6 there would be more addresses than the eight endpoints that a kernel has.
    for dev in ["eth1", "eth2"] {
        client.ip(&format!("-6 address flush dev {dev} scope global")).await;
    }
    client.ip("mptcp endpoint add 10.7.7.7 id 1 signal").await;
    let manager = Running::start(client, policy()).await?;
    for seed in 1..=3 {
        let mut dice = Dice::new(seed);
        for _ in 0..40 {
            let (path, host) = (1 + dice.roll(2_u32), 1 + 10 * dice.roll(3_u32));
            let (dev, address) = (format!("eth{path}"), format!("10.0.{path}.{host}/24"));
            match dice.roll(6_u32) {
                0 => client.down(&dev).await?,
                1 => client.up(&dev).await?,
                2 | 3 => drop(client.ip(&format!("address replace {address} dev {dev}")).await),
                // It may not be there, or it takes the others of its network along.
                4 => drop(client.command(format!("ip address del {address} dev {dev}").split(' ')).await),
                // Somebody else takes an endpoint away, which is put back.
                _ => drop(
                    client
                        .command(format!("ip mptcp endpoint delete id {}", 100 + dice.roll(4_u32)).split(' '))
                        .await,
                ),
            }
        }
        for path in [1, 2] {
            let dev = format!("eth{path}");
            client.up(&dev).await?;
            client.wait_carrier(&dev).await?;
            // A change that is noticed in any case, because nobody says that an endpoint was taken away.
            drop(client.command(format!("ip address del 10.0.{path}.1/24 dev {dev}").split(' ')).await);
            client.ip(&format!("address add 10.0.{path}.1/24 dev {dev}")).await;
        }
        let expected = async || {
            let mut expected = vec![("10.7.7.7".to_owned(), String::new(), vec!["signal"])];
            let links = client.json("ip -4 -j address show scope global").await;
            // Some releases print an empty object for an interface without such addresses.
            for link in links.as_array()?.iter().filter(|link| link["ifname"].is_string()) {
                let name = link["ifname"].as_str()?.to_owned();
                let flags = if name == "eth2" { vec!["subflow", "backup"] } else { vec!["subflow"] };
                for address in link["addr_info"].as_array()?.iter().filter_map(|info| info["local"].as_str())
                {
                    expected.push((address.to_owned(), name.clone(), flags.clone()));
                }
            }
            expected.sort();
            Some(expected)
        };
        let alike = async || (shown(client).await == expected().await?).then_some(());
        let what = format!("the endpoints of the addresses, seed {seed}");
        eventually(SOON, alike, &what).await;
    }
    assert_eq!(manager.stop(true).await, [] as [String; 0]);
    settle_on_lines(client, &["10.7.7.7 id 1 signal"], "its own endpoints to be removed").await;
    Ok(())
}
