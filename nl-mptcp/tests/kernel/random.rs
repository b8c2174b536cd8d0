//! A policy that decides at random, while interfaces, addresses and connections come and go.

use std::collections::BTreeSet;
use std::time::Duration;

use nl_mptcp::endpoint::Endpoint;
use nl_mptcp::path_manager::{PathEvent, Plan, Policy};
use nl_mptcp::subflow::Subflow;
use nl_testkit::race::Dice;
use nl_testkit::{Lab, Result, eventually};

use crate::path_manager::{Connections, Manager, connections, four_wires, gone, same};
use crate::support::Net;

const LONG: Duration = Duration::from_secs(60);
/// How often the policy decides in a round, so that the table comes to rest.
const DECISIONS: u32 = 400;

struct Random {
    dice: Dice,
    left: u32,
}

impl Random {
    fn new(seed: u32) -> Self {
        Self { dice: Dice::new(seed), left: DECISIONS }
    }

    /// A number below this.
    fn pick(&mut self, from: usize) -> usize {
        self.dice.roll(from.max(1))
    }

    /// Decides something. The initial subflow stays, because without any a connection lingers after it was closed.
    fn act(&mut self, plan: &mut Plan<'_>) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        let tokens: Vec<_> = plan.table().connections().map(|connection| connection.token).collect();
        let token = *tokens.get(self.pick(tokens.len()))?;
        let addresses: Vec<_> = plan.table().usable_addresses().map(|(_, address)| address).collect();
        let address = *addresses.get(self.pick(addresses.len()))?;
        let connection = plan.table().connection(token)?;
        let further: Vec<_> = connection.subflows.iter().filter(|s| !s.local_id.is_initial()).collect();
        let at = self.pick(further.len());
        let subflow = further.get(at).map(|s| (s.local, s.remote, s.local_id));
        match self.pick(9) {
            0..=3 => {
                let target =
                    connection.targets().last().filter(|target| target.is_ipv4() == address.is_ipv4())?;
                if !connection.has_subflow(address, target) {
                    let mut subflow = Subflow::new((address, 0).into(), target);
                    subflow.index = plan.table().binding(address);
                    plan.create(token, subflow);
                }
            }
            4 => plan.destroy(token, subflow?.0, subflow?.1),
            5 => plan.withdraw(token, subflow?.2),
            6 => plan.announce(token, Endpoint::new(address)),
            7 => plan.nobackup(token, subflow?.0, subflow?.1),
            _ => plan.backup(token, subflow?.0, subflow?.1),
        }
        Some(())
    }
}

impl Policy for Random {
    fn decide(&mut self, _: &PathEvent, plan: &mut Plan<'_>) {
        self.act(plan);
    }
}

#[nl_testkit::test(
    needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss", sock_diag = "mptcp"),
    timeout = 480,
    serial
)]
async fn random_decisions_have_one_outcome_each_and_leave_nothing(lab: Lab) -> Result {
    let net = four_wires(&lab).await?;
    for node in [&net.client, &net.server] {
        // A subflow that cannot be established fails in seconds.
        node.sysctl("net.ipv4.tcp_syn_retries", "2").await?;
    }
    let mut connections = Connections::new(&net).await?;
    for seed in 1..=3 {
        round(&net, &mut connections, seed).await.map_err(|error| format!("seed {seed}: {error}"))?;
    }
    Ok(())
}

async fn round(net: &Net, open: &mut Connections, seed: u32) -> Result {
    let client = Manager::start(&net.client, None, Random::new(seed << 16)).await?;
    let server = Manager::start(&net.server, None, ()).await?;
    let mut random = Random::new(seed);
    let mut removed = BTreeSet::new();
    for _ in 0..connections(120) {
        // The first wire stays: the connections begin there.
        let path = 2 + random.pick(3);
        match random.pick(8) {
            0..=2 if open.count() < 8 => open.connect(net).await?,
            3 if open.count() > 0 => {
                let at = random.pick(open.count());
                open.close(at);
            }
            4 => net.client.down(&format!("eth{path}")).await?,
            5 => net.client.up(&format!("eth{path}")).await?,
            6 if removed.insert(path) => {
                drop(net.client.ip(&format!("address del 10.0.{path}.1/24 dev eth{path}")).await);
            }
            7 if removed.remove(&path) => {
                drop(net.client.ip(&format!("address add 10.0.{path}.1/24 dev eth{path}")).await);
            }
            _ => {}
        }
    }
    for path in 2..=4 {
        let dev = format!("eth{path}");
        net.client.up(&dev).await?;
        drop(net.client.ip(&format!("address replace 10.0.{path}.1/24 dev {dev}")).await);
        net.client.wait_carrier(&dev).await?;
    }
    // A connection at least whose table is compared.
    open.connect(net).await?;
    let state = same(&net.client, &client).await;
    same(&net.server, &server).await;
    assert_eq!(state.table.connections().count(), open.count(), "seed {seed}");
    while open.count() > 0 {
        open.close(0);
    }
    let none = async || {
        let state = client.state().await;
        (state.table.connections().count() == 0).then_some(state)
    };
    let state = eventually(LONG, none, "the last connection to be closed").await;
    assert!(state.creations.twice.is_empty(), "seed {seed}, twice: {:?}", state.creations.twice);
    assert!(state.creations.open.is_empty(), "seed {seed}, without outcome: {:?}", state.creations.open);
    // A connection that was closed meanwhile is no fault.
    for error in &state.failed {
        assert!(!error.contains("invalid token") && !error.contains("not connected"), "seed {seed}: {error}");
    }
    gone(net, [client, server]).await
}
