//! Row 16: MPTCP endpoints, one request at a time.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::process::Command;

use ::nlink::netlink::genl::mptcp::MptcpEndpointBuilder;
use ::nlink::netlink::{Connection, Mptcp};

use crate::measure::{self, Cost, Stopwatch};
use crate::netlink::{Request, Socket, attributes};
use crate::rows::{Contestant, Plan, interleave, per_call_table};
use crate::table::Table;
use crate::{Result, runtime};

// include/uapi/linux/genetlink.h
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

// include/uapi/linux/mptcp_pm.h
const MPTCP_PM_CMD_ADD_ADDR: u8 = 1;
const MPTCP_PM_CMD_DEL_ADDR: u8 = 2;
const MPTCP_PM_CMD_GET_ADDR: u8 = 3;
const MPTCP_PM_CMD_FLUSH_ADDRS: u8 = 4;
const MPTCP_PM_ATTR_ADDR: u16 = 1;
const MPTCP_PM_ADDR_ATTR_FAMILY: u16 = 1;
const MPTCP_PM_ADDR_ATTR_ID: u16 = 2;
const MPTCP_PM_ADDR_ATTR_ADDR4: u16 = 3;
const AF_INET: u16 = 2;

/// As many as the kernel keeps at a time, with the identifiers from 1 on.
const AT_A_TIME: u8 = 8;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verb {
    Add,
    Delete,
}

/// This many times [`AT_A_TIME`] endpoints.
type Work = fn(u32, Verb) -> Result<Cost>;

const WORK: &[Contestant<Work>] = &[
    ("raw socket (floor)", floor),
    #[cfg(feature = "ours")]
    ("ours", ours),
    ("nlink", nlink),
    ("ip mptcp endpoint, a process each", iproute2),
];

/// 16: the kernel waits some milliseconds in every deletion, so there are fewer of those.
pub(crate) fn row(plan: Plan) -> Result<Vec<Table>> {
    let table = |what: &str, verb: Verb, endpoints: u16| {
        let rounds = u32::from(endpoints).div_ceil(AT_A_TIME.into());
        let costs = interleave(plan.runs, WORK, |_, work| work(rounds, verb))?;
        let count = rounds * u32::from(AT_A_TIME);
        let title = format!("16. {what} {count} MPTCP endpoints one at a time");
        Result::Ok(per_call_table(&title, WORK, &costs, count))
    };
    Ok(vec![table("Add", Verb::Add, plan.singles)?, table("Delete", Verb::Delete, plan.singles / 5)?])
}

fn floor(rounds: u32, verb: Verb) -> Result<Cost> {
    let floor = RefCell::new(Floor::open()?);
    runtime()?.block_on(timed(rounds, verb, async |id| {
        let mut floor = floor.borrow_mut();
        if verb == Verb::Add { floor.add(id) } else { floor.delete(id) }
    }))
}

#[cfg(feature = "ours")]
fn ours(rounds: u32, verb: Verb) -> Result<Cost> {
    use nl_core::{Connection, Protocol};
    use nl_mptcp::{AddressId, Mptcp};

    runtime()?.block_on(async {
        let mptcp = Mptcp::new(Connection::open(Protocol::Generic)?);
        // Finds the number of the family.
        mptcp.limits().get().await?;
        timed(rounds, verb, async |id| {
            match verb {
                Verb::Add => mptcp.endpoint(address(id)).id(id).add().await?,
                Verb::Delete => mptcp.endpoint(AddressId::from(id)).delete().await?,
            };
            Ok(())
        })
        .await
    })
}

fn nlink(rounds: u32, verb: Verb) -> Result<Cost> {
    runtime()?.block_on(async {
        let connection = Connection::<Mptcp>::new_async().await?;
        timed(rounds, verb, async |id| {
            match verb {
                Verb::Add => {
                    connection.add_endpoint(MptcpEndpointBuilder::new(address(id).into()).id(id)).await?;
                }
                Verb::Delete => connection.del_endpoint(id).await?,
            }
            Ok(())
        })
        .await
    })
}

fn iproute2(rounds: u32, verb: Verb) -> Result<Cost> {
    let mut floor = Floor::open()?;
    let mut total = Cost::default();
    for _ in 0..rounds {
        floor.prepare(verb)?;
        for id in 1..=AT_A_TIME {
            let mut command = Command::new("ip");
            command.args(["mptcp", "endpoint"]);
            match verb {
                Verb::Add => command.args(["add", &address(id).to_string(), "id", &id.to_string()]),
                Verb::Delete => command.args(["delete", "id", &id.to_string()]),
            };
            total += measure::child(&mut command)?;
        }
        floor.check(verb)?;
    }
    Ok(total)
}

/// Only `work` is timed, not what the floor does to make and to check it.
async fn timed(rounds: u32, verb: Verb, work: impl AsyncFn(u8) -> Result<()>) -> Result<Cost> {
    let mut floor = Floor::open()?;
    let mut total = Cost::default();
    for _ in 0..rounds {
        floor.prepare(verb)?;
        let watch = Stopwatch::start()?;
        for id in 1..=AT_A_TIME {
            work(id).await?;
        }
        total += watch.stop()?;
        floor.check(verb)?;
    }
    Ok(total)
}

fn address(id: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, id)
}

struct Floor {
    socket: Socket,
    family: u16,
}

impl Floor {
    fn open() -> Result<Self> {
        let mut socket = Socket::open_generic()?;
        let name = |request: &mut Request| {
            request.raw(&[CTRL_CMD_GETFAMILY, 1, 0, 0]);
            request.attribute(CTRL_ATTR_FAMILY_NAME, b"mptcp_pm\0");
        };
        let family = socket.get(GENL_ID_CTRL, name, |body| {
            let mut attributes = attributes(body.get(4..).unwrap_or_default());
            let number = attributes.find(|(kind, _)| *kind == CTRL_ATTR_FAMILY_ID);
            let number = number.and_then(|(_, value)| value.first_chunk());
            Ok(u16::from_ne_bytes(*number.ok_or("no family number")?))
        })?;
        Ok(Self { socket, family })
    }

    /// What has to exist before.
    fn prepare(&mut self, verb: Verb) -> Result<()> {
        self.socket.change(self.family, 0, |request| request.raw(&[MPTCP_PM_CMD_FLUSH_ADDRS, 1, 0, 0]))?;
        if verb == Verb::Delete { (1..=AT_A_TIME).try_for_each(|id| self.add(id)) } else { Ok(()) }
    }

    /// Whether all exist, or none.
    fn check(&mut self, verb: Verb) -> Result<()> {
        for id in 1..=AT_A_TIME {
            let write = |request: &mut Request| {
                request.raw(&[MPTCP_PM_CMD_GET_ADDR, 1, 0, 0]);
                request.nested(MPTCP_PM_ATTR_ADDR, |request| {
                    request.attribute(MPTCP_PM_ADDR_ATTR_ID, &[id]);
                });
            };
            if self.socket.get(self.family, write, |_| Ok(())).is_ok() != (verb == Verb::Add) {
                return Err(format!("endpoint {id} is not as it should be").into());
            }
        }
        Ok(())
    }

    fn add(&mut self, id: u8) -> Result<()> {
        self.socket.change(self.family, 0, |request| {
            request.raw(&[MPTCP_PM_CMD_ADD_ADDR, 1, 0, 0]);
            request.nested(MPTCP_PM_ATTR_ADDR, |request| {
                request.attribute(MPTCP_PM_ADDR_ATTR_FAMILY, &AF_INET.to_ne_bytes());
                request.attribute(MPTCP_PM_ADDR_ATTR_ID, &[id]);
                request.attribute(MPTCP_PM_ADDR_ATTR_ADDR4, &address(id).octets());
            });
        })
    }

    fn delete(&mut self, id: u8) -> Result<()> {
        self.socket.change(self.family, 0, |request| {
            request.raw(&[MPTCP_PM_CMD_DEL_ADDR, 1, 0, 0]);
            request.nested(MPTCP_PM_ATTR_ADDR, |request| {
                request.attribute(MPTCP_PM_ADDR_ATTR_ID, &[id]);
            });
        })
    }
}
