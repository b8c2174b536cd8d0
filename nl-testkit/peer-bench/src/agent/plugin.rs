//! Row 23: a program that makes two changes and ends, as a CNI plugin does.

use std::process::Command;

use ::nlink::FdbEntryBuilder;
use ::nlink::netlink::tc::IngressConfig;
use ::nlink::netlink::{Connection, Route};

use crate::calls::rtnetlink_look_up;
use crate::entry::{IFINDEX_PORT, Mac, PORT, STATE_STATIC};
use crate::floor::{self, RTM_DELNEIGH, RTM_NEWNEIGH};
use crate::measure::{self, Cost};
use crate::netlink::{NLM_F_CREATE, NLM_F_EXCL, Request, Socket};
use crate::rows::{Contestant, Plan, expect, find, interleave, part, per_call_table};
use crate::sandbox::Bridge;
use crate::table::Table;
use crate::{Result, rtnetlink, runtime};

// include/uapi/linux/rtnetlink.h, pkt_sched.h
const RTM_NEWQDISC: u16 = 36;
const RTM_DELQDISC: u16 = 37;
const TCA_KIND: u16 = 1;
const TC_H_INGRESS: u32 = 0xffff_fff1;
const INGRESS: u32 = 0xffff_0000;

const MAC: Mac = [0x02, 0, 0, 0, 0, 1];

/// Connects, adds [`MAC`] on [`PORT`] and an ingress qdisc to it, both found by name.
type Add = fn() -> Result<()>;

const ADD: &[Contestant<Add>] = &[
    ("raw socket (floor)", by_hand),
    #[cfg(feature = "ours")]
    ("ours", ours),
    ("nlink", nlink),
    ("rtnetlink", rtnetlink_),
];

/// One process, or two.
type Commands = fn() -> Result<Vec<Command>>;

const COMMANDS: &[Contestant<Commands>] = &[
    ("raw socket (floor)", || Ok(vec![part(23, "raw socket (floor)", 0)?])),
    #[cfg(feature = "ours")]
    ("ours", || Ok(vec![part(23, "ours", 0)?])),
    ("nlink", || Ok(vec![part(23, "nlink", 0)?])),
    ("rtnetlink", || Ok(vec![part(23, "rtnetlink", 0)?])),
    ("bridge fdb add, tc qdisc add", iproute2),
];

/// 23: from the start of the process to its end. This program is the plugin, so all but iproute2 load the same code.
pub(crate) fn row(plan: Plan) -> Result<Table> {
    let processes = u32::from(plan.singles / 5);
    let _bridge = Bridge::fresh()?;
    let mut socket = Socket::open()?;
    let costs = interleave(plan.runs, COMMANDS, |name, commands| {
        let mut total = Cost::default();
        for _ in 0..processes {
            for mut command in commands()? {
                total += measure::child(&mut command)?;
            }
            expect(name, floor::tally()?, &[MAC])?;
            // Fails unless both were added.
            socket.change(RTM_DELNEIGH, 0, |request| floor::entry(request, IFINDEX_PORT, 0, &MAC))?;
            socket.change(RTM_DELQDISC, 0, |request| ingress(request, IFINDEX_PORT))?;
        }
        Ok(total)
    })?;
    Ok(per_call_table("23. A process that adds an FDB entry and a qdisc", COMMANDS, &costs, processes))
}

pub(crate) fn once(name: &str) -> Result<()> {
    find(ADD, name)?()
}

fn by_hand() -> Result<()> {
    let mut socket = Socket::open()?;
    let index = socket.index_of(PORT)?;
    socket.change(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, |request| {
        floor::entry(request, index, STATE_STATIC, &MAC);
    })?;
    socket.change(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, |request| ingress(request, index))
}

fn ingress(request: &mut Request, index: u32) {
    request.raw(&[0; 4]);
    for word in [index, INGRESS, TC_H_INGRESS, 0] {
        request.raw(&word.to_ne_bytes());
    }
    request.attribute(TCA_KIND, b"ingress\0");
}

#[cfg(feature = "ours")]
fn ours() -> Result<()> {
    use nl_bridge::fdb::Fdb;
    use nl_core::{Connection, MacAddr, Protocol};
    use nl_tc::leaf::Ingress;
    use nl_tc::{Tc, TcHandle};

    let connection = Connection::open(Protocol::Route)?;
    let fdb = Fdb::new(connection.clone());
    fdb.entry(MacAddr::new(MAC), PORT).master().static_().add().wait()?;
    Tc::new(connection).qdisc(PORT, TcHandle::INGRESS).add(Ingress).wait()?;
    Ok(())
}

fn nlink() -> Result<()> {
    runtime()?.block_on(async {
        let connection = Connection::<Route>::new()?;
        connection.add_fdb(FdbEntryBuilder::new(MAC).static_().dev(PORT)).await?;
        connection.add_qdisc(PORT, IngressConfig::new()).await?;
        Ok(())
    })
}

fn rtnetlink_() -> Result<()> {
    runtime()?.block_on(async {
        let handle = rtnetlink::connect()?;
        let index = rtnetlink_look_up(&handle).await?;
        rtnetlink::add(&handle, &MAC).await?;
        handle.qdisc().add(index.cast_signed()).ingress().execute().await?;
        Ok(())
    })
}

fn iproute2() -> Result<Vec<Command>> {
    let [a, b, c, d, e, f] = MAC;
    let mac = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
    let mut bridge = Command::new("bridge");
    bridge.args(["fdb", "add", &mac, "dev", PORT, "master", "static"]);
    let mut tc = Command::new("tc");
    tc.args(["qdisc", "add", "dev", PORT, "ingress"]);
    Ok(vec![bridge, tc])
}
