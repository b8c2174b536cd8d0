//! A CNI plugin without an async runtime: it adds one FDB entry and one qdisc, and ends.
//!
//! It is chained behind the plugin `bridge`. It takes the host's end of the veth pair and the container's MAC address from
//! `prevResult`, pins the address to the bridge port, and limits what is sent to the container. The configuration comes from the
//! standard input:
//!
//! ```text
//! CNI_COMMAND=ADD cni_plugin <<'END'
//! {"cniVersion": "1.0.0", "name": "net", "type": "cni_plugin", "rateMbit": 100, "prevResult": {"interfaces": [
//!   {"name": "veth1", "mac": "02:00:00:00:00:01"},
//!   {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/blue"}]}}
//! END
//! ```
//!
//! The same with processes: `bridge fdb replace MAC dev VETH master static` and `tc qdisc replace dev VETH root tbf rate 100mbit
//! burst 64kb latency 25ms`. Needs `CAP_NET_ADMIN` on the calling thread.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use nl_bridge::fdb::Fdb;
use nl_core::{Connection, MacAddr, Protocol};
use nl_tc::leaf::TbfConfig;
use nl_tc::{Rate, Tc, TcHandle};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// As much as may be sent at once.
const BURST: u32 = 64 * 1024;
const LATENCY: Duration = Duration::from_millis(25);

pub(crate) fn main() -> ExitCode {
    let outcome = run();
    match &outcome {
        Ok(answer) => println!("{answer}"),
        // Codes from 100 on are the plugin's own.
        Err(error) => println!("{}", json!({ "cniVersion": "1.0.0", "code": 100, "msg": error.to_string() })),
    }
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run() -> Result<Value> {
    let command = std::env::var("CNI_COMMAND").map_err(|_| "CNI_COMMAND is not set")?;
    if command == "VERSION" {
        return Ok(json!({ "cniVersion": "1.0.0", "supportedVersions": ["1.0.0"] }));
    }
    let config: Value = serde_json::from_reader(std::io::stdin())?;
    let conn = Connection::open(Protocol::Route)?;
    match command.as_str() {
        "ADD" => {
            let port = Port::of(&config)?;
            let rate = config.get("rateMbit").and_then(Value::as_u64).ok_or("rateMbit is missing")?;
            port.attach(&conn, rate)?;
            Ok(config.get("prevResult").cloned().unwrap_or_default())
        }
        "DEL" => {
            // Without a result there is nothing to take away.
            if let Ok(port) = Port::of(&config) {
                port.detach(&conn)?;
            }
            Ok(json!({}))
        }
        other => Err(format!("CNI_COMMAND {other} is not supported").into()),
    }
}

/// The host's end of the veth pair, and who is behind it.
struct Port<'a> {
    dev: &'a str,
    mac: MacAddr,
}

impl<'a> Port<'a> {
    fn of(config: &'a Value) -> Result<Self> {
        let interfaces = config.pointer("/prevResult/interfaces").and_then(Value::as_array);
        let interfaces = interfaces.ok_or("prevResult has no interfaces")?;
        let is_inside = |interface: &&Value| text(interface, "sandbox").is_some();
        let inside = interfaces.iter().find(is_inside).ok_or("no interface is in the container")?;
        // The bridge itself may be listed too, before the port.
        let outside = interfaces.iter().rfind(|interface| !is_inside(interface));
        let dev = outside.and_then(|port| text(port, "name")).ok_or("no interface outside has a name")?;
        let mac = text(inside, "mac").ok_or("the interface in the container has no MAC address")?;
        Ok(Self { dev, mac: mac.parse()? })
    }

    fn attach(&self, conn: &Connection, rate: u64) -> nl_core::Result<()> {
        // The name is looked up once: both requests use the same connection.
        let tbf = TbfConfig::new(Rate::mbit(rate), BURST).latency(LATENCY);
        Fdb::new(conn.clone()).entry(self.mac, self.dev).master().static_().replace().wait()?;
        Tc::new(conn.clone()).qdisc(self.dev, TcHandle::ROOT).replace(tbf).wait()?;
        Ok(())
    }

    /// An object that no longer exists is no error: a runtime may call DEL twice.
    fn detach(&self, conn: &Connection) -> nl_core::Result<()> {
        let deleted = [
            Fdb::new(conn.clone()).entry(self.mac, self.dev).master().delete().wait(),
            Tc::new(conn.clone()).qdisc(self.dev, TcHandle::ROOT).delete().wait(),
        ];
        for outcome in deleted {
            match outcome {
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

fn text<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}
