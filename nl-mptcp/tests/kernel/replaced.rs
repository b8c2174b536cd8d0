//! Policies that replace one another while connections exist, and what a later one makes of the decisions of one before it.

use std::net::IpAddr;

use futures_util::StreamExt;
use nl_mptcp::endpoint::EndpointFlags;
use nl_mptcp::path_manager::{
    BackupOnMetered, Decision, FullMesh, PathEvent, PathManager, Plan, Policy, Report, Table,
};
use nl_testkit::{Lab, Node, Result, eventually, within};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::diag::ss;
use crate::path_manager::{Connections, Manager};
use crate::support::{Net, SOON, counter, kernel, open};

type Any = Box<dyn Policy>;

/// A path manager whose policy can be replaced, until no other can come.
struct Replaceable {
    policies: mpsc::UnboundedSender<Any>,
    /// What failed.
    task: JoinHandle<Vec<String>>,
}

impl Replaceable {
    async fn start(node: &Node, policy: impl Policy + 'static) -> Result<Self> {
        let mptcp = open(node).await?;
        let (policies, mut others) = mpsc::unbounded_channel::<Any>();
        let policy: Any = Box::new(policy);
        let begun = node.run(move || async move {
            let mut manager = PathManager::open(&mptcp, policy).await?;
            Ok::<_, nl_core::Error>(tokio::spawn(async move {
                let mut failed = Vec::new();
                loop {
                    tokio::select! {
                        report = manager.next() => match report.unwrap() {
                            Ok(Report::Failed { error, .. }) | Err(error) => failed.push(error.to_string()),
                            Ok(_) => {}
                        },
                        other = others.recv() => match other {
                            Some(other) => manager.set_policy(other),
                            None => return failed,
                        },
                    }
                }
            }))
        });
        Ok(Self { policies, task: begun.await? })
    }

    fn replace(&self, policy: impl Policy + 'static) {
        self.policies.send(Box::new(policy)).ok().unwrap();
    }

    async fn stop(self) -> Vec<String> {
        drop(self.policies);
        within(SOON, self.task, "the path manager to end").await.unwrap()
    }
}

/// Waits until the client has subflows from these addresses, backups or not.
async fn settle_on(net: &Net, wanted: &[(&str, bool)], what: &str) {
    let fits = async || {
        let lines = ss::subflows(&net.client, "state established").await;
        let flags = |line: &ss::Line| Some(line.word("flags")?.contains('b'));
        let mut shown: Vec<_> = lines
            .iter()
            .map(|line| Some((line.local_end().ip().to_string(), flags(line)?)))
            .collect::<Option<_>>()?;
        shown.sort();
        let shown: Vec<_> = shown.iter().map(|(local, backup)| (local.as_str(), *backup)).collect();
        (shown == wanted).then_some(())
    };
    eventually(SOON, fits, what).await;
}

const FIRST: (&str, bool) = ("10.0.1.1", false);

#[nl_testkit::test(
    needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss", sock_diag = "mptcp"),
    timeout = 90
)]
async fn policy_that_replaces_another_changes_existing_connections(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let client = Replaceable::start(&net.client, ()).await?;
    let server = Manager::start(&net.server, None, ()).await?;
    let mut connections = Connections::new(&net).await?;
    connections.connect(&net).await?;
    settle_on(&net, &[FIRST], "the initial subflow").await;
    client.replace(FullMesh::new());
    settle_on(&net, &[FIRST, ("10.0.2.1", false)], "a subflow by the second interface").await;
    // A rule makes it a backup; without the rule it is a regular one only if the policy is exact.
    let backup = EndpointFlags::SUBFLOW | EndpointFlags::BACKUP;
    client.replace(FullMesh::new().interface("eth2", backup).interface("*", EndpointFlags::SUBFLOW));
    settle_on(&net, &[FIRST, ("10.0.2.1", true)], "it to be a backup").await;
    client.replace(FullMesh::new().exact());
    settle_on(&net, &[FIRST, ("10.0.2.1", false)], "it to be a regular one").await;
    client.replace(FullMesh::new().except(["eth2"]).exact());
    settle_on(&net, &[FIRST], "it to be destroyed").await;
    client.replace(FullMesh::new().network("10.0.2.0/24".parse()?));
    settle_on(&net, &[FIRST, ("10.0.2.1", false)], "a subflow from the network").await;
    assert_eq!(client.stop().await, [] as [String; 0]);
    drop(connections);
    server.stop().await;
    Ok(())
}

/// Vetoes subflows from an address.
struct NoneFrom(IpAddr);

impl Policy for NoneFrom {
    fn decide(&mut self, _: &PathEvent, _: &mut Plan<'_>) {}

    fn review(&mut self, _: &Table, decision: Decision) -> Option<Decision> {
        match &decision {
            Decision::Create { subflow, .. } if subflow.local.ip() == self.0 => None,
            _ => Some(decision),
        }
    }
}

#[nl_testkit::test(
    needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss", sock_diag = "mptcp"),
    timeout = 90
)]
async fn decisions_are_vetoed_and_altered_before_the_kernel_is_asked(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    net.client.ip("address add 10.0.1.11/24 dev eth1").await;
    let vetoed = (FullMesh::new(), NoneFrom("10.0.1.11".parse()?));
    let client = Replaceable::start(&net.client, vetoed).await?;
    let server = Manager::start(&net.server, None, ()).await?;
    let mut connections = Connections::new(&net).await?;
    connections.connect(&net).await?;
    settle_on(&net, &[FIRST, ("10.0.2.1", false)], "no subflow from the other address").await;
    // It would have been the first of the two.
    assert_eq!(counter(&net.server, "MPJoinSynRx").await, Some(1));
    client.replace((FullMesh::new(), BackupOnMetered::new(["eth1*"])));
    let all = [("10.0.1.1", true), ("10.0.1.11", true), ("10.0.2.1", false)];
    settle_on(&net, &all, "backups by the first interface").await;
    // Where the kernel can, it is one from its first packet on. Older ones do not count that.
    if kernel() >= (6, 7)
        && let Some(backups) = counter(&net.server, "MPJoinSynBackupRx").await
    {
        assert_eq!(backups, 1);
    }
    assert_eq!(client.stop().await, [] as [String; 0]);
    drop(connections);
    server.stop().await;
    Ok(())
}
