//! Row 30: filters of flower, each with an address of its own and an action.

use std::fmt::Write as _;
use std::fs::File;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use ::nlink::netlink::action::{ActionList, GactAction};
use ::nlink::netlink::filter::FlowerFilter;
use ::nlink::netlink::{Connection, Route};
use ::nlink::{FilterPriority, TcHandle};

use crate::iproute2::Scratch;
use crate::measure::{self, Cost, Stopwatch};
use crate::netlink::{NLM_F_CREATE, NLM_F_EXCL, Request, Socket, attributes};
use crate::rows::{Contestant, Plan, cost_table, interleave};
use crate::table::Table;
use crate::{Result, runtime};

const DEVICE: &str = "f0";
const IFINDEX: u32 = 1004;
/// The ingress of a clsact qdisc.
const PARENT: u32 = 0xffff_fff2;
const PRIORITY: u16 = 1;
/// Of the first filter.
const FIRST: u32 = u32::from_be_bytes([10, 0, 0, 1]);

// include/uapi/linux/rtnetlink.h, pkt_cls.h and tc_act/tc_gact.h
const RTM_NEWTFILTER: u16 = 44;
const RTM_GETTFILTER: u16 = 46;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_FLOWER_ACT: u16 = 3;
const TCA_FLOWER_KEY_ETH_TYPE: u16 = 8;
const TCA_FLOWER_KEY_IPV4_DST: u16 = 12;
const TCA_FLOWER_KEY_IPV4_DST_MASK: u16 = 13;
const TCA_ACT_KIND: u16 = 1;
const TCA_ACT_OPTIONS: u16 = 2;
const TCA_GACT_PARMS: u16 = 2;
const TC_ACT_SHOT: u32 = 2;
const ETH_P_IP: u16 = 0x0800;

/// How many filters there are, and the sum of their addresses: equal tallies are equal filters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    filters: u64,
    addresses: u64,
}

impl Tally {
    fn of(addresses: &[u32]) -> Self {
        let mut tally = Self::default();
        for address in addresses {
            tally.add(*address);
        }
        tally
    }

    fn add(&mut self, address: u32) {
        self.filters += 1;
        self.addresses += u64::from(address);
    }
}

type Create = fn(&[u32]) -> Result<Cost>;

const CREATE: &[Contestant<Create>] = &[
    ("raw socket, 64 per send, one ACK (floor)", floor),
    #[cfg(feature = "ours")]
    ("ours", ours),
    ("nlink one by one", nlink),
    ("tc -batch", iproute2),
];

/// Nothing where the kernel has no such filters.
pub(crate) fn row(plan: Plan) -> Result<Vec<Table>> {
    let addresses: Vec<u32> = (0..plan.filters).map(|number| FIRST + number).collect();
    let try_one = || {
        let _device = Device::fresh()?;
        floor(addresses.get(..1).unwrap_or_default())
    };
    if let Err(error) = try_one() {
        eprintln!("row 30: not measured, {error}");
        return Ok(Vec::new());
    }
    let mut contestants = Vec::new();
    for (name, create) in CREATE {
        let _device = Device::fresh()?;
        let first = addresses.get(..1).unwrap_or_default();
        create(first)?;
        match tally()? == Tally::of(first) {
            true => contestants.push((*name, *create)),
            false => {
                eprintln!("row 30: without {name}, whose filter is not there although it reports success")
            }
        }
    }
    let costs = interleave(plan.runs, &contestants, |name, create| {
        let _device = Device::fresh()?;
        let cost = create(&addresses)?;
        let (seen, wanted) = (tally()?, Tally::of(&addresses));
        match seen == wanted {
            true => Ok(cost),
            false => Err(format!("{name}: {seen:?} where {wanted:?} should be").into()),
        }
    })?;
    let title = format!("30. Create {} flower filters with an action", plan.filters);
    Ok(vec![cost_table(&title, &contestants, &costs)])
}

fn floor(addresses: &[u32]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    socket.fenced(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, addresses, |request, address| {
        tcmsg(request);
        request.attribute(TCA_KIND, b"flower\0");
        request.nested(TCA_OPTIONS, |options| {
            options.nested(TCA_FLOWER_ACT, |actions| {
                actions.nested(1, |action| {
                    action.attribute(TCA_ACT_KIND, b"gact\0");
                    action.nested(TCA_ACT_OPTIONS, |options| {
                        // `struct tc_gact`
                        let parms = [0, 0, TC_ACT_SHOT, 0, 0].map(u32::to_ne_bytes);
                        options.attribute(TCA_GACT_PARMS, parms.as_flattened());
                    });
                });
            });
            options.attribute(TCA_FLOWER_KEY_ETH_TYPE, &ETH_P_IP.to_be_bytes());
            options.attribute(TCA_FLOWER_KEY_IPV4_DST, &address.to_be_bytes());
            options.attribute(TCA_FLOWER_KEY_IPV4_DST_MASK, &[0xff; 4]);
        });
    })?;
    watch.stop()
}

#[cfg(feature = "ours")]
fn ours(addresses: &[u32]) -> Result<Cost> {
    use nl_tc::action::Action;
    use nl_tc::filter::{Filter, Flower, IPV4};
    runtime()?.block_on(async {
        let tc = nl_tc::Tc::new(nl_core::Connection::open(nl_core::Protocol::Route)?);
        let addresses = addresses.to_vec();
        let watch = Stopwatch::start()?;
        let filters = addresses.into_iter().map(|address| {
            let flower =
                Flower::ipv4().dst_ip(Ipv4Addr::from_bits(address).into(), 32).action(Action::drop());
            let filter = Filter::new(IFINDEX, nl_tc::TcHandle::CLSACT_INGRESS, flower);
            (nl_tc::TcVerb::Add, filter.priority(PRIORITY).protocol(IPV4))
        });
        tc.batch(filters).summarize(1).await?.into_result()?;
        watch.stop()
    })
}

/// It has no batch for filters.
fn nlink(addresses: &[u32]) -> Result<Cost> {
    runtime()?.block_on(async {
        let connection = Connection::<Route>::new()?;
        let watch = Stopwatch::start()?;
        for address in addresses {
            let filter = FlowerFilter::new()
                .priority(FilterPriority::new(PRIORITY))
                .ipv4()
                .dst_ipv4(Ipv4Addr::from_bits(*address), 32)
                .actions(ActionList::new().with(GactAction::drop()));
            connection.add_filter_by_index(IFINDEX, TcHandle::CLSACT_INGRESS, filter).await?;
        }
        watch.stop()
    })
}

/// Writing the file is not timed.
fn iproute2(addresses: &[u32]) -> Result<Cost> {
    let mut commands = String::new();
    for address in addresses {
        let address = Ipv4Addr::from_bits(*address);
        writeln!(
            commands,
            "filter add dev {DEVICE} ingress prio {PRIORITY} protocol ip flower dst_ip {address} action drop"
        )?;
    }
    let file = Scratch::new("filters", &commands)?;
    measure::child(Command::new("tc").args(["-batch", "-"]).stdin(File::open(file.path())?))
}

fn tcmsg(request: &mut Request) {
    request.raw(&[0; 4]);
    let info = u32::from(PRIORITY) << 16 | u32::from(ETH_P_IP.to_be());
    for word in [IFINDEX, 0, PARENT, info] {
        request.raw(&word.to_ne_bytes());
    }
}

/// What filters there are now: how everybody's work is checked.
fn tally() -> Result<Tally> {
    let mut tally = Tally::default();
    Socket::open()?.dump(RTM_GETTFILTER, tcmsg, RTM_NEWTFILTER, |body| {
        let (_, rest) = body.split_first_chunk::<20>().ok_or("short filter")?;
        for (_, options) in attributes(rest).filter(|(kind, _)| *kind == TCA_OPTIONS) {
            let address = attributes(options).find(|(kind, _)| *kind == TCA_FLOWER_KEY_IPV4_DST);
            if let Some(address) = address.and_then(|(_, value)| value.first_chunk()) {
                tally.add(u32::from_be_bytes(*address));
            }
        }
        Ok(())
    })?;
    Ok(tally)
}

/// A device with a clsact qdisc without filters; removed on drop.
#[derive(Debug)]
struct Device(());

impl Device {
    fn fresh() -> Result<Self> {
        run(&format!("ip link add {DEVICE} index {IFINDEX} type veth peer name f1"))?;
        let device = Self(());
        run(&format!("tc qdisc add dev {DEVICE} clsact"))?;
        Ok(device)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // Whatever stays is gone with the namespace, and the next `fresh` reports it.
        let _ = run(&format!("ip link del {DEVICE}"));
    }
}

fn run(line: &str) -> Result<()> {
    let (program, arguments) = line.split_once(' ').ok_or("an empty command")?;
    let output = Command::new(program).args(arguments.split(' ')).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{line}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}
