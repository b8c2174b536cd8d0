//! The machine that every case may count on: its devices, its variables and its shell.

use nl_testkit::{Need, Node, Output, Result};

use crate::case::{Case, Step};

/// The devices that every case may count on.
pub(crate) async fn prepare(node: &Node, case: &Case) -> Result {
    let veth = |name: &str, peer: &str| {
        format!(
            "link add {name} numtxqueues 1 numrxqueues 1 type veth peer name {peer} numtxqueues 1 numrxqueues 1"
        )
    };
    let mut lines = vec![veth(DEV0, DEV1)];
    let makes_its_own = |step: &Step| {
        step.line.contains("link add") && step.line.contains("$DUMMY") && !step.line.contains("||")
    };
    if case.setup.iter().any(|step| step.line.contains("$IFB")) {
        lines.push(format!("link add {IFB} type ifb"));
        lines.push(format!("link set {IFB} up"));
    }
    if !case.setup.iter().any(makes_its_own) {
        lines.push(match Need::Link("dummy".into()).probe() {
            Ok(()) => format!("link add {DUMMY} type dummy"),
            Err(_) => veth(DUMMY, "dummy1-end"),
        });
        lines.push(format!("link set {DUMMY} up"));
    }
    if case.setup.iter().any(|step| step.line.contains("$DEV2")) {
        lines.push(veth(DEV2, "dev2-end"));
        lines.push(format!("link set {DEV2} up"));
    }
    lines.extend([DEV0, DEV1].map(|name| format!("link set {name} up")));
    let output = shell(node, &format!("ip -batch - <<'END'\n{}\nEND", lines.join("\n"))).await;
    if output.status.success() { Ok(()) } else { Err(output.to_string().into()) }
}

/// A line without simulated network cards: a veth with as many queues plays one. A line about them that is not understood stays.
///
/// The kernel's cases write `ID PORTS [QUEUES]` to `new_device`, and find the port as `$ETH`.
pub(crate) fn played(line: &str) -> String {
    let Some((before, after)) = line.split_once(" > /sys/bus/netdevsim/") else { return line.to_owned() };
    let numbers: Option<Vec<u32>> = before
        .strip_prefix("echo ")
        .map(|text| text.trim_matches('"').split(' '))
        .and_then(|words| words.map(|word| word.parse().ok()).collect());
    let (file, rest) = after.split_once(' ').unwrap_or((after, ""));
    let play = match (file, numbers.as_deref()) {
        ("new_device", Some([_, 1])) => card(1),
        ("new_device", Some([_, 1, queues])) => card(*queues),
        ("del_device", Some([_])) => format!("ip link del {ETH}"),
        _ => return line.to_owned(),
    };
    format!("{play} {rest}").trim_end().to_owned()
}

fn card(queues: u32) -> String {
    let queues = format!("numtxqueues {queues} numrxqueues {queues}");
    format!("ip link add {ETH} {queues} type veth peer name eth0-end {queues}")
}

/// Runs a line of the shell, without a shell where the line is a plain command of iproute2.
pub(crate) async fn shell(node: &Node, line: &str) -> Output {
    match plain(line) {
        Some(words) => node.command(words).await,
        None => node.command(["sh", "-c", line]).await,
    }
}

/// The words of a command of iproute2 in which nothing means anything to a shell.
fn plain(line: &str) -> Option<Vec<&str>> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" ,-./:@_+=%".contains(&byte);
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let is_tool = words.first().is_some_and(|program| ["bridge", "ip", "tc"].contains(program));
    (is_tool && line.bytes().all(is_plain)).then_some(words)
}

/// The variables of the kernel's runner, with its values.
pub(crate) fn variable(case: &Case, name: &str) -> Option<String> {
    let value = match name {
        "DEV0" => DEV0,
        "DEV1" => DEV1,
        "DEV2" => DEV2,
        "DUMMY" => DUMMY,
        "ETH" => ETH,
        "IFB" => IFB,
        "IP" => "ip",
        "NS" => "tcut",
        "TC" => "tc",
        "TESTID" => &case.id,
        "TIMEOUT" => "24",
        _ => return None,
    };
    Some(value.to_owned())
}

const DEV0: &str = "v0p0";
const DEV1: &str = "v0p1";
const DEV2: &str = "v0d2";
const DUMMY: &str = "dummy1";
const ETH: &str = "eth0";
const IFB: &str = "ifb0";

#[cfg(test)]
mod tests {
    use super::{plain, played};

    #[test]
    fn a_simulated_card_is_a_veth_with_its_queues() {
        let veth = |n: u32| {
            let queues = format!("numtxqueues {n} numrxqueues {n}");
            format!("ip link add eth0 {queues} type veth peer name eth0-end {queues}")
        };
        for (line, plays) in [
            ("echo \"1 1 4\" > /sys/bus/netdevsim/new_device", veth(4)),
            ("echo \"1 1\" > /sys/bus/netdevsim/new_device", veth(1)),
            ("echo \"1\" > /sys/bus/netdevsim/del_device", "ip link del eth0".to_owned()),
            ("echo \"1\" > /sys/bus/netdevsim/del_device || true", "ip link del eth0 || true".to_owned()),
        ] {
            assert_eq!(played(line), plays);
        }
    }

    #[test]
    fn other_lines_stay() {
        for line in [
            "tc qdisc show dev eth0",
            "echo \"1 2 4\" > /sys/bus/netdevsim/new_device",
            "echo \"1 1 many\" > /sys/bus/netdevsim/new_device",
            "echo 1 > /sys/bus/netdevsim/devices/netdevsim1/sriov_numvfs",
        ] {
            assert_eq!(played(line), line);
        }
    }

    #[test]
    fn only_plain_commands_of_iproute2_go_without_a_shell() {
        assert_eq!(plain("tc  qdisc show dev v0p1"), Some(vec!["tc", "qdisc", "show", "dev", "v0p1"]));
        for line in [
            "",
            "echo 1",
            "A=1 tc qdisc",
            "tc qdisc || true",
            "tc -s qdisc | grep x",
            "tc qdisc show dev $ETH",
            "tc a 'b c'",
        ] {
            assert_eq!(plain(line), None, "{line}");
        }
    }
}
