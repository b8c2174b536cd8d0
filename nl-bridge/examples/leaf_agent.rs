//! A leaf of an EVPN that follows a description in a file, and a stream of MAC addresses behind other leaves.
//!
//! ```text
//! leaf_agent DESCRIPTION.json SOCKET     follows the file and the socket until it is killed
//! leaf_agent --plan DESCRIPTION.json     prints the steps that would be taken
//! leaf_agent --remove DESCRIPTION.json   removes what was made for the description
//! ```
//! The description is a `nl_bridge::leaf::BridgeConfig` in JSON. The socket is a Unix socket that takes a line of JSON for each change:
//!
//! ```text
//! {"op":"replace","mac":"02:00:00:00:00:01","vni":10010,"dst":"192.0.2.2"}
//! {"op":"delete","mac":"02:00:00:00:00:01","vni":10010,"dst":"192.0.2.2"}
//! {"op":"end"}       all addresses were sent: those that an earlier run left behind and that were not among them are removed
//! {"op":"status"}    answered with a line
//! ```
//! What a run that crashed left behind is taken over: devices by their stamps, addresses by `extern_learn` and their VNIs. The file is
//! read again when it changes; one that cannot be applied leaves the leaf as it is. `leaf-agent.service` beside this file starts it.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime};

use nl_bridge::fdb::{Fdb, FdbFlags};
use nl_bridge::leaf::{BridgeConfig, Leaf, Plan};
use nl_core::{Connection, MacAddr, Protocol};
use serde_json::{Value, json};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// How often the file is looked at.
const EVERY: Duration = Duration::from_secs(1);

pub(crate) fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["--plan", path] => plan(path),
        ["--remove", path] => remove(path),
        [path, socket] if !path.starts_with('-') => Agent::run(path, socket),
        _ => Err("leaf_agent [--plan | --remove] DESCRIPTION.json [SOCKET]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("leaf_agent: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read(path: &str) -> Outcome<BridgeConfig> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?)
}

fn plan(path: &str) -> Outcome {
    let leaf = Leaf::new(Connection::open(Protocol::Route)?);
    let plan = leaf.plan(&read(path)?).wait()?;
    print!("{plan}");
    plan.others().iter().for_each(|other| println!("# {other}"));
    Ok(())
}

fn remove(path: &str) -> Outcome {
    let leaf = Leaf::new(Connection::open(Protocol::Route)?);
    print!("{}", leaf.remove(&read(path)?).wait()?);
    Ok(())
}

/// One line from the socket, and where an answer goes.
struct Line {
    text: String,
    answer: UnixStream,
}

/// An address is in several VNIs at once.
type Key = (MacAddr, u32);

struct Agent {
    path: String,
    changed: Option<SystemTime>,
    leaf: Leaf,
    fdb: Fdb,
    config: BridgeConfig,
    macs: BTreeMap<Key, IpAddr>,
    /// Why the file as it is now is not applied.
    fault: Option<String>,
}

impl Agent {
    fn run(path: &str, socket: &str) -> Outcome {
        let conn = Connection::open(Protocol::Route)?;
        let (leaf, fdb) = (Leaf::new(conn.clone()), Fdb::new(conn));
        let (changed, config) = (modified(path), read(path)?);
        let macs = BTreeMap::new();
        let mut agent = Self { path: path.to_owned(), changed, leaf, fdb, config, macs, fault: None };
        report(&agent.leaf.apply(&agent.config).wait()?);

        // One that an earlier run left behind.
        let _ = std::fs::remove_file(socket);
        let listener = UnixListener::bind(socket)?;
        let (sender, lines) = channel();
        std::thread::spawn(move || listen(&listener, &sender));
        agent.follow(&lines)
    }

    fn follow(&mut self, lines: &Receiver<Line>) -> Outcome {
        loop {
            match lines.recv_timeout(EVERY) {
                Ok(line) => {
                    let answer = match self.take(&line.text) {
                        Ok(answer) => answer,
                        Err(error) => Some(json!({ "error": error.to_string() })),
                    };
                    if let Some(answer) = answer {
                        // Who does not wait for the answer does not get it.
                        let _ = writeln!(&line.answer, "{answer}");
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err("the socket is gone".into()),
            }
            let changed = modified(&self.path);
            if changed != self.changed {
                self.changed = changed;
                self.fault = self.reload().err().map(|error| error.to_string());
                if let Some(fault) = &self.fault {
                    eprintln!("leaf_agent: {fault}");
                }
            }
        }
    }

    fn reload(&mut self) -> Outcome {
        let config = read(&self.path)?;
        report(&self.leaf.apply(&config).wait()?);
        self.config = config;
        // A device that was made anew has lost its entries.
        let all: Vec<_> = self.macs.iter().map(|((mac, vni), dst)| (*mac, *vni, *dst)).collect();
        for (mac, vni, dst) in all {
            if self.vlan(vni).is_some() {
                self.replace(mac, vni, dst)?;
            }
        }
        Ok(())
    }

    /// Does what a line says, and returns the answer if it asks for one.
    fn take(&mut self, line: &str) -> Outcome<Option<Value>> {
        let line: Value = serde_json::from_str(line)?;
        let text =
            |key: &str| line.get(key).and_then(Value::as_str).ok_or_else(|| format!("{key} is missing"));
        match text("op")? {
            "status" => return Ok(Some(self.status())),
            "end" => self.sweep()?,
            op @ ("replace" | "delete") => {
                let (mac, dst): (MacAddr, IpAddr) = (text("mac")?.parse()?, text("dst")?.parse()?);
                let vni = line.get("vni").and_then(Value::as_u64).and_then(|vni| u32::try_from(vni).ok());
                let vni = vni.ok_or("vni is missing")?;
                if op == "replace" {
                    self.replace(mac, vni, dst)?;
                    self.macs.insert((mac, vni), dst);
                } else {
                    self.delete(mac, vni, dst)?;
                    self.macs.remove(&(mac, vni));
                }
            }
            other => return Err(format!("unknown op {other}").into()),
        }
        Ok(None)
    }

    fn status(&self) -> Value {
        json!({ "bridge": self.config.name, "macs": self.macs.len(), "fault": self.fault })
    }

    /// The VLAN of a VNI.
    fn vlan(&self, vni: u32) -> Option<u16> {
        let maps = self.config.vxlan.iter().flat_map(|vxlan| &vxlan.maps);
        let mut pairs = maps.flat_map(|map| map.vid.iter().zip(map.vni.iter()));
        pairs.find(|(_, of)| *of == vni).map(|(vlan, _)| vlan.get())
    }

    fn device(&self) -> Outcome<String> {
        let vxlan = self.config.vxlan.as_ref().ok_or("the description has no VXLAN device")?;
        Ok(vxlan.name.clone())
    }

    fn replace(&self, mac: MacAddr, vni: u32, dst: IpAddr) -> Outcome {
        let vlan = self.vlan(vni).ok_or_else(|| format!("no VLAN has vni {vni}"))?;
        let dev = self.device()?;
        self.fdb.remote_mac(mac, dev).vlan(vlan).src_vni(vni).dst(dst).replace().wait()?;
        Ok(())
    }

    fn delete(&self, mac: MacAddr, vni: u32, dst: IpAddr) -> Outcome {
        let vlan = self.vlan(vni).ok_or_else(|| format!("no VLAN has vni {vni}"))?;
        let dev = self.device()?;
        match self.fdb.remote_mac(mac, dev).vlan(vlan).src_vni(vni).dst(dst).delete().wait() {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Removes the addresses that an earlier run left behind.
    fn sweep(&self) -> Outcome {
        let mut left = BTreeSet::new();
        for entry in self.fdb.entries().dev(self.device()?).self_().list().wait()? {
            let entry = entry?;
            let (Some(vni), Some(dst)) = (entry.src_vni, entry.dst) else { continue };
            let is_ours = entry.flags.contains(FdbFlags::EXT_LEARNED) && self.vlan(vni).is_some();
            if is_ours && !entry.mac.is_zero() && !self.macs.contains_key(&(entry.mac, vni)) {
                left.insert((entry.mac, vni, dst));
            }
        }
        left.into_iter().try_for_each(|(mac, vni, dst)| self.delete(mac, vni, dst))
    }
}

fn modified(path: &str) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|file| file.modified()).ok()
}

fn report(plan: &Plan) {
    plan.steps().iter().for_each(|step| println!("{step}"));
    plan.others().iter().for_each(|other| println!("# {other}"));
}

fn listen(listener: &UnixListener, lines: &Sender<Line>) {
    for client in listener.incoming().flatten() {
        let lines = lines.clone();
        std::thread::spawn(move || {
            let Ok(answer) = client.try_clone() else { return };
            for text in BufReader::new(client).lines().map_while(Result::ok) {
                let Ok(answer) = answer.try_clone() else { return };
                if lines.send(Line { text, answer }).is_err() {
                    return;
                }
            }
        });
    }
}
