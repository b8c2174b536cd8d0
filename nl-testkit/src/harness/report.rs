//! What a failed test leaves to read: the state of every node, and on request the nodes themselves.

use std::{env, fs, path::PathBuf, process, time::Duration};

use crate::{Node, lab::Lab};

/// Whether failed tests are held open, from `NL_TESTKIT_KEEP`.
pub(super) fn keep() -> bool {
    env::var("NL_TESTKIT_KEEP").is_ok_and(|value| value == "1")
}

/// Writes down the state of each node; returns where, or the state itself when there is no place for files.
pub(super) async fn dump(lab: &Lab) -> Option<String> {
    let nodes = lab.nodes();
    if nodes.is_empty() {
        return None;
    }
    let folder = folder(lab.name());
    let mut shown = String::new();
    for node in &nodes {
        let text = state(node).await;
        let written = folder.as_ref().is_some_and(|folder| {
            fs::create_dir_all(folder)
                .and_then(|()| fs::write(folder.join(format!("{}.txt", node.name())), &text))
                .is_ok()
        });
        if !written {
            shown += &shortened(&text);
        }
    }
    if keep() {
        hold(&nodes).await;
    }
    match folder {
        Some(folder) if shown.is_empty() => {
            Some(format!("the state of its nodes is in {}", folder.display()))
        }
        _ => Some(shown),
    }
}

async fn state(node: &Node) -> String {
    let mut text = String::new();
    for line in COMMANDS {
        let words: Vec<std::ffi::OsString> = line.split_whitespace().map(Into::into).collect();
        let output = match node.run(move || crate::cmd::run(words)).await {
            Ok(output) => output.to_string(),
            Err(error) => error.to_string(),
        };
        text += &format!("[{}] {line}\n{}\n\n", node.name(), output.trim_end());
    }
    text
}

/// Large tables are cut: this goes to a terminal.
fn shortened(text: &str) -> String {
    let mut short = String::new();
    for part in text.split_inclusive("\n\n") {
        let lines: Vec<&str> = part.split_inclusive('\n').collect();
        short.extend(lines.iter().take(SHOWN).copied());
        if lines.len() > SHOWN {
            short += &format!("… and {} more lines\n\n", lines.len() - SHOWN);
        }
    }
    short
}

async fn hold(nodes: &[Node]) {
    let flag = env::temp_dir().join(format!("nl-testkit-keep-{}", process::id()));
    if fs::write(&flag, "delete this file to let the test end\n").is_err() {
        return;
    }
    for node in nodes {
        eprintln!(
            "node \"{}\": nsenter --target {} --user --preserve-credentials --mount --net={}",
            node.name(),
            node.pid(),
            node.netns_path(),
        );
    }
    eprintln!("held open until {} is deleted", flag.display());
    while flag.exists() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn folder(test: &str) -> Option<PathBuf> {
    Some(target()?.join("nl-testkit").join(test.replace("::", ".")))
}

/// The target folder that this program is in.
pub(super) fn target() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).map(PathBuf::from)
}

const SHOWN: usize = 25;
const COMMANDS: &[&str] = &[
    "ip -d link show",
    "ip address show",
    "ip route show table all",
    "ip neighbour show",
    "bridge -d link show",
    "bridge -d fdb show",
    "bridge -d vlan show",
    "tc -s qdisc show",
    "ss -aMt -eimon",
    "nstat -as",
];
