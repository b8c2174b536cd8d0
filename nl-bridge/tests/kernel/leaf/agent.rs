//! The example `leaf_agent`: a description in a file, addresses on a socket, and what an earlier run left behind.

#[path = "../../../examples/leaf_agent/agent.rs"]
mod example;

use std::collections::BTreeSet;
use std::future::ready;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nl_testkit::{Lab, Node, Result, eventually};
use serde_json::Value;

use super::support::*;

/// The agent looks at its file once in a second.
const SOON: Duration = Duration::from_secs(20);
const FIRST: &str = "02:00:00:00:00:07";
const SECOND: &str = "02:00:00:00:00:08";

/// A leaf with the first one or both of two VLANs.
fn description(vlans: &[u16]) -> String {
    let each =
        |form: &dyn Fn(u16) -> String| vlans.iter().map(|vlan| form(*vlan)).collect::<Vec<_>>().join(", ");
    format!(
        "name = \"br0\"\n[[ports]]\nname = \"p1\"\nvlans = [{}]\n[vxlan]\nname = \"vx0\"\nlocal = \"192.0.2.1\"\nmaps = [{}]\n",
        each(&|vlan| format!("{{ vid = {vlan} }}")),
        each(&|vlan| format!(
            "{{ vid = {vlan}, vni = {}, flood = [\"192.0.2.2\"] }}",
            10_000 + u32::from(vlan)
        )),
    )
}

/// Puts a file there at once, so that it is never read in part.
fn put(file: &Path, text: &str) -> Result {
    let new = file.with_extension("new");
    std::fs::write(&new, text)?;
    Ok(std::fs::rename(&new, file)?)
}

/// An agent in the node, on a thread of its own, until it is stopped. It then leaves all as it is, as one that is killed does.
struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<std::result::Result<(), String>>,
}

impl Running {
    async fn start(node: &Node, file: &Path, socket: &Path) -> Self {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (file, socket, stop) = (text(file), text(socket), Arc::<AtomicBool>::default());
        let told = Arc::clone(&stop);
        let run = move || example::Agent::run(&file, &socket, &told).map_err(|error| error.to_string());
        let thread = node.open(move || std::thread::spawn(run)).await;
        Self { stop, thread }
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = eventually(SOON, async || self.thread.is_finished().then_some(()), "the agent to end");
        ended.await;
        self.thread.join().unwrap().unwrap();
    }
}

/// A client of the agent's socket.
struct Client(BufReader<UnixStream>);

impl Client {
    async fn connect(socket: &Path) -> Result<Self> {
        let stream = eventually(SOON, async || UnixStream::connect(socket).ok(), "the agent's socket").await;
        stream.set_read_timeout(Some(SOON))?;
        Ok(Self(BufReader::new(stream)))
    }

    fn tell(&mut self, line: &str) -> Result {
        Ok(writeln!(self.0.get_mut(), "{line}")?)
    }

    fn replace(&mut self, mac: &str, vni: u32) -> Result {
        self.tell(&format!("{{\"op\":\"replace\",\"mac\":\"{mac}\",\"vni\":{vni},\"dst\":\"192.0.2.2\"}}"))
    }

    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Everything sent before has been carried out when it is answered.
    fn status(&mut self) -> Result<Value> {
        self.tell("{\"op\":\"status\"}")?;
        self.answer()
    }
}

/// The addresses behind the other leaf, with their VNIs, as iproute2 shows them.
async fn shown(node: &Node) -> BTreeSet<(String, u64)> {
    let shown = node.json("bridge -j fdb show dev vx0").await;
    let entries = shown.as_array().unwrap().iter().filter(|entry| entry["dst"] == "192.0.2.2");
    let macs = entries.filter_map(|entry| {
        let mac = entry["mac"].as_str().filter(|mac| mac.starts_with("02:"))?;
        Some((mac.to_owned(), entry["src_vni"].as_u64()?))
    });
    macs.collect()
}

fn macs(expected: &[&str]) -> BTreeSet<(String, u64)> {
    expected.iter().map(|mac| ((*mac).to_owned(), 10_010)).collect()
}

async fn has_vlans(node: &Node, expected: &[u64]) -> Option<()> {
    let vlans: Vec<_> = shown_vlans(node, "vx0").await.into_iter().map(|(vlan, _)| vlan).collect();
    (vlans == expected).then_some(())
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 120
)]
async fn agent_follows_its_file_and_takes_over_what_an_earlier_run_left(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let folder: PathBuf = std::env::temp_dir().join(format!("nl-bridge-agent-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (file, socket) = (folder.join("leaf.toml"), folder.join("socket"));
    let bare = devices(&node).await;
    put(&file, &description(&[10]))?;

    let running = Running::start(&node, &file, &socket).await;
    let mut client = Client::connect(&socket).await?;
    client.replace(FIRST, 10_010)?;
    client.replace(SECOND, 10_010)?;
    let status = client.status()?;
    assert_eq!(
        (&status["macs"], &status["complete"], &status["fault"]),
        (&2.into(), &false.into(), &Value::Null)
    );
    assert_eq!(shown(&node).await, macs(&[FIRST, SECOND]));
    // A VNI that the leaf does not have.
    client.replace(FIRST, 99)?;
    assert!(client.answer()?["error"].as_str().is_some_and(|error| error.contains("99")));

    put(&file, &description(&[10, 20]))?;
    eventually(SOON, async || has_vlans(&node, &[10, 20]).await, "the VLAN of the new file").await;
    put(&file, "nonsense")?;
    let fault = || ready(client.status().ok().filter(|status| status["fault"].is_string()));
    eventually(SOON, fault, "the fault in the status").await;
    has_vlans(&node, &[10, 20]).await.ok_or("a bad file changed the leaf")?;
    put(&file, &description(&[10]))?;
    eventually(SOON, async || has_vlans(&node, &[10]).await, "the VLAN to go").await;
    assert_eq!(shown(&node).await, macs(&[FIRST, SECOND]));
    drop(client);
    running.stop().await;
    assert_eq!(shown(&node).await, macs(&[FIRST, SECOND]));

    // A later run learns that one of them is gone.
    let running = Running::start(&node, &file, &socket).await;
    let mut client = Client::connect(&socket).await?;
    client.replace(FIRST, 10_010)?;
    client.status()?;
    assert_eq!(shown(&node).await, macs(&[FIRST, SECOND]));
    client.tell("{\"op\":\"end\"}")?;
    let status = client.status()?;
    assert_eq!((&status["macs"], &status["complete"]), (&1.into(), &true.into()));
    assert_eq!(shown(&node).await, macs(&[FIRST]));
    drop(client);
    running.stop().await;

    let config = example::read(file.to_str().unwrap()).map_err(|error| error.to_string())?;
    leaf_of(&node).await.remove(&config).await?;
    assert_eq!(devices(&node).await, bare);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
