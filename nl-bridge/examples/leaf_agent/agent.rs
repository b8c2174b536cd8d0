// The agent: the description in a file, the addresses on a socket, and what an earlier run left behind.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use nl_bridge::leaf::{Behind, BridgeConfig, Leaf, LeafMac, MacChange, Macs, Plan};
use nl_core::{Connection, MacAddr, Protocol};
use serde_json::{Value, json};

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// How often the file is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How many lines wait at most, before those who send them have to, and how many are taken together.
const LINES: usize = 4096;

pub(crate) fn read(path: &str) -> Outcome<BridgeConfig> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let read = match path.ends_with(".json") {
        true => serde_json::from_str(&text).map_err(|error| error.to_string()),
        false => toml::from_str(&text).map_err(|error| error.to_string()),
    };
    Ok(read.map_err(|error| format!("{path}: {error}"))?)
}

/// One line from the socket, and where an answer goes.
struct Line {
    text: String,
    answer: UnixStream,
}

/// An address is in several VNIs at once.
type Key = (MacAddr, u32);

pub(crate) struct Agent {
    path: String,
    changed: Option<SystemTime>,
    leaf: Leaf,
    config: BridgeConfig,
    macs: Macs,
    known: BTreeMap<Key, Behind>,
    /// Whether all addresses were sent, so that those that are not known are of an earlier run.
    is_complete: bool,
    /// Why the file as it is now is not applied.
    fault: Option<String>,
}

impl Agent {
    /// Follows the file and the socket, until it is stopped. What it created stays.
    pub(crate) fn run(path: &str, socket: &str, stop: &Arc<AtomicBool>) -> Outcome {
        let leaf = Leaf::new(Connection::open(Protocol::Route)?);
        let (changed, config) = (modified(path), read(path)?);
        report(&leaf.apply(&config).wait()?);
        let macs = leaf.macs(&config)?;
        let (path, known) = (path.to_owned(), BTreeMap::new());
        let mut agent = Self { path, changed, leaf, config, macs, known, is_complete: false, fault: None };

        // One that an earlier run left behind.
        if std::fs::symlink_metadata(socket).is_ok_and(|file| file.file_type().is_socket()) {
            std::fs::remove_file(socket)?;
        }
        let listener = UnixListener::bind(socket)?;
        let (sender, lines) = sync_channel(LINES);
        let ended = Arc::clone(stop);
        let listening = std::thread::spawn(move || listen(&listener, &sender, &ended));
        let outcome = agent.follow(&lines, stop);
        stop.store(true, Ordering::Relaxed);
        // Wakes the thread, which then sees that it is over.
        drop(UnixStream::connect(socket));
        drop(listening.join());
        outcome
    }

    fn follow(&mut self, lines: &Receiver<Line>, stop: &AtomicBool) -> Outcome {
        while !stop.load(Ordering::Relaxed) {
            match lines.recv_timeout(EVERY) {
                Ok(first) => {
                    let more = lines.try_iter().take(LINES - 1);
                    self.take(std::iter::once(first).chain(more).collect());
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
        Ok(())
    }

    fn reload(&mut self) -> Outcome {
        let config = read(&self.path)?;
        report(&self.leaf.apply(&config).wait()?);
        self.macs = self.leaf.macs(&config)?;
        self.config = config;
        // A device that was created again, and VLANs that got other VNIs, have lost their addresses.
        let wanted = self.wanted();
        if self.is_complete {
            self.macs.sync(wanted).wait()?;
        } else {
            self.macs.change(wanted.into_iter().map(MacChange::Replace)).wait()?;
        }
        Ok(())
    }

    /// The addresses that are known, in the VNIs that VLANs have now.
    fn wanted(&self) -> Vec<LeafMac> {
        let maps = self.config.vxlan.iter().flat_map(|vxlan| &vxlan.maps);
        let mapped: Vec<_> = maps.map(|map| map.vni).collect();
        let known = self.known.iter().filter(|((_, vni), _)| mapped.iter().any(|vnis| vnis.contains(*vni)));
        let each = known.filter_map(|((mac, vni), behind)| match behind {
            Behind::Leaf(leaf) => Some(LeafMac::new(*mac, *vni, *leaf)),
            Behind::Segment(id) => Some(LeafMac::on_segment(*mac, *vni, *id)),
            _ => None,
        });
        each.collect()
    }

    /// Does what the lines say, those about addresses together, and answers where there is something to say.
    fn take(&mut self, lines: Vec<Line>) {
        let mut changes = Vec::new();
        for line in lines {
            let answer = match self.read(&line.text) {
                Ok(Said::Change(change)) => {
                    changes.push((change, line.answer));
                    continue;
                }
                Ok(Said::Nothing) => continue,
                Ok(Said::End) => {
                    self.change(&std::mem::take(&mut changes));
                    self.is_complete = true;
                    self.macs.sync(self.wanted()).wait().err().map(|error| error.to_string())
                }
                Ok(Said::Status) => {
                    self.change(&std::mem::take(&mut changes));
                    say(&line.answer, &self.status());
                    continue;
                }
                Err(error) => Some(error.to_string()),
            };
            if let Some(error) = answer {
                say(&line.answer, &json!({ "error": error }));
            }
        }
        self.change(&changes);
    }

    /// Sends changes; if one of them is bad, each on its own, so that who sent it learns why.
    fn change(&mut self, changes: &[(MacChange, UnixStream)]) {
        let together = self.macs.change(changes.iter().map(|(change, _)| *change)).wait();
        for (change, answer) in changes {
            let outcome = match &together {
                Ok(_) => Ok(()),
                Err(_) => self.macs.change([*change]).wait().map(drop),
            };
            if let Err(error) = outcome {
                if let MacChange::Replace(mac) = change {
                    self.known.remove(&(mac.mac, mac.vni));
                }
                say(answer, &json!({ "error": error.to_string() }));
            }
        }
    }

    /// What a line says; what is known follows at once, so that later lines are about what earlier ones left.
    fn read(&mut self, line: &str) -> Outcome<Said> {
        let line: Value = serde_json::from_str(line)?;
        let op = line.get("op").and_then(Value::as_str).ok_or("op is missing")?;
        Ok(match op {
            "status" => Said::Status,
            "end" => Said::End,
            "replace" => {
                let mac: LeafMac = serde_json::from_value(line)?;
                self.known.insert((mac.mac, mac.vni), mac.behind);
                Said::Change(MacChange::Replace(mac))
            }
            "delete" => {
                let mac: MacAddr =
                    line.get("mac").and_then(Value::as_str).ok_or("mac is missing")?.parse()?;
                let vni = line.get("vni").and_then(Value::as_u64).and_then(|vni| u32::try_from(vni).ok());
                let vni = vni.ok_or("vni is missing")?;
                let is_named = line.get("dst").is_some() || line.get("nhid").is_some();
                let from =
                    if is_named { Some(serde_json::from_value::<LeafMac>(line)?.behind) } else { None };
                // Withdrawn by a leaf, while another one has announced it since.
                let moved =
                    from.is_some() && self.known.get(&(mac, vni)).is_some_and(|now| Some(*now) != from);
                if moved {
                    return Ok(Said::Nothing);
                }
                self.known.remove(&(mac, vni));
                Said::Change(MacChange::Delete { mac, vni })
            }
            other => return Err(format!("unknown op {other}").into()),
        })
    }

    fn status(&self) -> Value {
        let (bridge, macs, complete) = (&self.config.name, self.known.len(), self.is_complete);
        json!({ "bridge": bridge, "macs": macs, "complete": complete, "fault": self.fault })
    }
}

/// What a line is about.
enum Said {
    Change(MacChange),
    End,
    Nothing,
    Status,
}

fn say(mut to: &UnixStream, answer: &Value) {
    // Who does not wait for the answer does not get it.
    let _ = writeln!(to, "{answer}");
}

fn modified(path: &str) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|file| file.modified()).ok()
}

fn report(plan: &Plan) {
    plan.steps().iter().for_each(|step| println!("{step}"));
    plan.others().iter().for_each(|other| println!("# {other}"));
}

fn listen(listener: &UnixListener, lines: &SyncSender<Line>, ended: &AtomicBool) {
    for client in listener.incoming().flatten() {
        if ended.load(Ordering::Relaxed) {
            return;
        }
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
