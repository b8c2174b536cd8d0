//! Row 27: MACsec devices with their channels and associations, read once.

use std::process::{Command, Stdio};

use crate::Result;
use crate::measure::{self, Cost, Stopwatch};
use crate::netlink::{Request, Socket, attributes};
use crate::rows::{Contestant, Plan, cost_table, interleave};
use crate::table::Table;

// include/uapi/linux/genetlink.h
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

// include/uapi/linux/if_macsec.h
const MACSEC_CMD_GET_TXSC: u8 = 0;
const MACSEC_CMD_ADD_RXSC: u8 = 1;
const MACSEC_CMD_ADD_RXSA: u8 = 7;
const MACSEC_ATTR_IFINDEX: u16 = 1;
const MACSEC_ATTR_RXSC_CONFIG: u16 = 2;
const MACSEC_ATTR_SA_CONFIG: u16 = 3;
const MACSEC_ATTR_SECY: u16 = 4;
const MACSEC_ATTR_RXSC_LIST: u16 = 6;
const MACSEC_ATTR_TXSC_STATS: u16 = 7;
const MACSEC_ATTR_SECY_STATS: u16 = 8;
const MACSEC_RXSC_ATTR_SCI: u16 = 1;
const MACSEC_RXSC_ATTR_ACTIVE: u16 = 2;
const MACSEC_RXSC_ATTR_SA_LIST: u16 = 3;
const MACSEC_RXSC_ATTR_STATS: u16 = 4;
const MACSEC_SA_ATTR_AN: u16 = 1;
const MACSEC_SA_ATTR_ACTIVE: u16 = 2;
const MACSEC_SA_ATTR_PN: u16 = 3;
const MACSEC_SA_ATTR_KEY: u16 = 4;
const MACSEC_SA_ATTR_KEYID: u16 = 5;
const MACSEC_SA_ATTR_STATS: u16 = 6;

// include/uapi/linux/rtnetlink.h, include/uapi/linux/if_link.h
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const NLM_F_CREATE_EXCL: u16 = 0x600;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_MACSEC_PORT: u16 = 2;

/// The device below, and the first of MACsec.
const PARENT: u32 = 1000;
const FIRST: u32 = 2000;
/// Of a device: as many as fit the kernel's buffer, beyond which it ends the list without an error.
const CHANNELS: u16 = 60;
const ASSOCIATIONS: u8 = 4;

/// How many associations that receive were read, and the sum of their next packet numbers.
type Seen = (u64, u64);
type List = fn() -> Result<(Cost, Seen)>;

const LIST: &[Contestant<List>] = &[
    ("raw socket, packet numbers alone (floor)", floor),
    ("raw socket, what ours reads", all_by_hand),
    ("raw socket, what ours returns, in vectors", kept_by_hand),
    #[cfg(feature = "ours")]
    ("ours, Secys::list", ours),
    ("ip macsec show, a process", iproute2),
];

/// 27: only root of the machine may add associations.
pub(crate) fn row(plan: Plan) -> Result<Vec<Table>> {
    let channels = u64::from(plan.secys) * u64::from(CHANNELS);
    if let Err(error) = make(plan.secys) {
        eprintln!("27. MACsec: not measured, {error}");
        return Ok(Vec::new());
    }
    let associations = channels * u64::from(ASSOCIATIONS);
    // The number of each association is its next packet number.
    let sum = channels * (1..=u64::from(ASSOCIATIONS)).sum::<u64>();
    let costs = interleave(plan.runs, LIST, |name, list| {
        let (cost, seen) = list()?;
        if seen != (associations, sum) {
            return Err(format!("{name} saw {} associations up to {} in all", seen.0, seen.1).into());
        }
        Ok(cost)
    })?;
    let title = format!("27. List {} MACsec devices of {CHANNELS} channels of {ASSOCIATIONS}", plan.secys);
    Ok(vec![cost_table(&title, LIST, &costs)])
}

/// They stay until the namespace goes: making them takes longest by far.
fn make(devices: u32) -> Result<()> {
    let mut route = Socket::open()?;
    route.change(RTM_NEWLINK, NLM_F_CREATE_EXCL, |request| {
        request.raw(&link(PARENT));
        request.attribute(IFLA_IFNAME, b"parent\0");
        request.nested(IFLA_LINKINFO, |info| info.attribute(IFLA_INFO_KIND, b"bridge\0"));
    })?;
    let devices: Vec<u32> = (FIRST..FIRST + devices).collect();
    route.fenced(RTM_NEWLINK, NLM_F_CREATE_EXCL, &devices, |request: &mut Request, index: &u32| {
        request.raw(&link(*index));
        request.attribute(IFLA_LINK, &PARENT.to_ne_bytes());
        request.nested(IFLA_LINKINFO, |info| {
            info.attribute(IFLA_INFO_KIND, b"macsec\0");
            let [.., high, low] = index.to_be_bytes();
            info.nested(IFLA_INFO_DATA, |data| data.attribute(IFLA_MACSEC_PORT, &[high, low]));
        });
    })?;
    let (mut socket, family) = open()?;
    let each = devices.iter().flat_map(|index| (0..CHANNELS).map(move |channel| (*index, channel)));
    let channels: Vec<(u32, u16)> = each.collect();
    socket.fenced(family, 0, &channels, |request: &mut Request, (index, channel): &(u32, u16)| {
        request.raw(&[MACSEC_CMD_ADD_RXSC, 1, 0, 0]);
        request.attribute(MACSEC_ATTR_IFINDEX, &index.to_ne_bytes());
        let sci = sci(*index, *channel);
        request.nested(MACSEC_ATTR_RXSC_CONFIG, |config| config.attribute(MACSEC_RXSC_ATTR_SCI, &sci));
    })?;
    let each = channels.iter().flat_map(|channel| (0..ASSOCIATIONS).map(move |number| (*channel, number)));
    let associations: Vec<_> = each.collect();
    socket.fenced(family, 0, &associations, |request: &mut Request, association: &((u32, u16), u8)| {
        let ((index, channel), number) = association;
        request.raw(&[MACSEC_CMD_ADD_RXSA, 1, 0, 0]);
        request.attribute(MACSEC_ATTR_IFINDEX, &index.to_ne_bytes());
        let sci = sci(*index, *channel);
        request.nested(MACSEC_ATTR_RXSC_CONFIG, |config| config.attribute(MACSEC_RXSC_ATTR_SCI, &sci));
        request.nested(MACSEC_ATTR_SA_CONFIG, |config| {
            config.attribute(MACSEC_SA_ATTR_AN, &[*number]);
            config.attribute(MACSEC_SA_ATTR_PN, &(u32::from(*number) + 1).to_ne_bytes());
            config.attribute(MACSEC_SA_ATTR_KEYID, &[*number; 16]);
            config.attribute(MACSEC_SA_ATTR_KEY, &[7; 16]);
            config.attribute(MACSEC_SA_ATTR_ACTIVE, &[1]);
        });
    })
}

/// `struct ifinfomsg` of a device with this index.
fn link(index: u32) -> [u8; 16] {
    let mut header = [0; 16];
    let [a, b, c, d] = index.to_ne_bytes();
    [header[4], header[5], header[6], header[7]] = [a, b, c, d];
    header
}

/// A sender that no other device on the same one below has.
fn sci(index: u32, channel: u16) -> [u8; 8] {
    let ([_, _, a, b], [c, d]) = (index.to_be_bytes(), channel.to_be_bytes());
    [2, 0, 0, 0, a, b, c, d]
}

/// A socket, and the number of the family. Its first answer makes the kernel's buffers for lists on it large.
fn open() -> Result<(Socket, u16)> {
    let mut socket = Socket::open_generic()?;
    let ask = |request: &mut Request| {
        request.raw(&[CTRL_CMD_GETFAMILY, 2, 0, 0]);
        request.attribute(CTRL_ATTR_FAMILY_NAME, b"macsec\0");
    };
    let family = socket.get(GENL_ID_CTRL, ask, |body| {
        let (_, number) = attributes(body.get(4..).unwrap_or_default())
            .find(|(kind, _)| *kind == CTRL_ATTR_FAMILY_ID)
            .ok_or("a family without a number")?;
        Ok(u16::from_ne_bytes(number.try_into()?))
    })?;
    Ok((socket, family))
}

fn floor() -> Result<(Cost, Seen)> {
    let (mut socket, family) = open()?;
    let watch = Stopwatch::start()?;
    let mut seen = (0, 0);
    let ask = |request: &mut Request| request.raw(&[MACSEC_CMD_GET_TXSC, 1, 0, 0]);
    socket.dump(family, ask, family, |body| {
        for channels in of(body.get(4..).unwrap_or_default(), MACSEC_ATTR_RXSC_LIST) {
            for (_, channel) in attributes(channels) {
                for associations in of(channel, MACSEC_RXSC_ATTR_SA_LIST) {
                    for (_, association) in attributes(associations) {
                        for number in of(association, MACSEC_SA_ATTR_PN) {
                            seen.0 += 1;
                            seen.1 += u64::from(u32::from_ne_bytes(number.try_into()?));
                        }
                    }
                }
            }
        }
        Ok(())
    })?;
    Ok((watch.stop()?, seen))
}

/// Every counter is read, and the devices are listed, as who wants to notice what the kernel left out must.
fn all_by_hand() -> Result<(Cost, Seen)> {
    let (mut socket, family) = open()?;
    let watch = Stopwatch::start()?;
    let mut seen = (0, 0);
    let (mut counters, mut reported) = (0u64, 0u64);
    let ask = |request: &mut Request| request.raw(&[MACSEC_CMD_GET_TXSC, 1, 0, 0]);
    socket.dump(family, ask, family, |body| {
        reported += 1;
        for (kind, value) in attributes(body.get(4..).unwrap_or_default()) {
            match kind {
                MACSEC_ATTR_RXSC_LIST => {}
                MACSEC_ATTR_TXSC_STATS | MACSEC_ATTR_SECY_STATS => counters += sum(value),
                _ => continue,
            }
            for (_, channel) in attributes(value).filter(|_| kind == MACSEC_ATTR_RXSC_LIST) {
                for (kind, value) in attributes(channel) {
                    match kind {
                        MACSEC_RXSC_ATTR_STATS => counters += sum(value),
                        MACSEC_RXSC_ATTR_SA_LIST => {
                            for (_, association) in attributes(value) {
                                for (kind, value) in attributes(association) {
                                    match kind {
                                        MACSEC_SA_ATTR_STATS => counters += sum(value),
                                        MACSEC_SA_ATTR_PN => {
                                            seen.0 += 1;
                                            seen.1 += u64::from(u32::from_ne_bytes(value.try_into()?));
                                        }
                                        _ => {}
                                    }
                                }
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    })?;
    std::hint::black_box(counters);
    check_complete(reported)?;
    Ok((watch.stop()?, seen))
}

/// An error if the kernel left devices out of the list: there are as many as links of this kind.
fn check_complete(reported: u64) -> Result<()> {
    let (mut route, mut devices) = (Socket::open()?, 0);
    let ask = |request: &mut Request| request.raw(&[0; 16]);
    route.dump(RTM_GETLINK, ask, RTM_NEWLINK, |body| {
        let infos = of(body.get(16..).unwrap_or_default(), IFLA_LINKINFO);
        devices += infos
            .flat_map(|info| of(info, IFLA_INFO_KIND))
            .filter(|kind| kind.starts_with(b"macsec"))
            .count() as u64;
        Ok(())
    })?;
    if devices == reported { Ok(()) } else { Err(format!("{reported} of {devices} devices").into()) }
}

#[derive(Default)]
struct Device {
    index: u32,
    /// Options of one byte and the identifier of the cipher suite, by the number of their attribute.
    options: [u64; 14],
    counters: [u64; 8],
    sent: [u64; 4],
    channels: Vec<Channel>,
}

#[derive(Default)]
struct Channel {
    sci: [u8; 8],
    active: bool,
    counters: [u64; 10],
    associations: Vec<Association>,
}

#[derive(Default)]
struct Association {
    number: u8,
    active: bool,
    next: u32,
    key: [u8; 16],
    counters: [u32; 5],
}

/// Everything is kept, as a program would that goes on with it.
fn kept_by_hand() -> Result<(Cost, Seen)> {
    let (mut socket, family) = open()?;
    let watch = Stopwatch::start()?;
    let mut devices: Vec<Device> = Vec::new();
    let ask = |request: &mut Request| request.raw(&[MACSEC_CMD_GET_TXSC, 1, 0, 0]);
    socket.dump(family, ask, family, |body| {
        let mut device = Device::default();
        for (kind, value) in attributes(body.get(4..).unwrap_or_default()) {
            match kind {
                MACSEC_ATTR_IFINDEX => device.index = u32::from_ne_bytes(value.try_into()?),
                MACSEC_ATTR_SECY => {
                    for (kind, value) in attributes(value) {
                        let value = match *value {
                            [byte] => byte.into(),
                            _ => value.try_into().map_or(0, u64::from_ne_bytes),
                        };
                        if let Some(option) = device.options.get_mut(usize::from(kind)) {
                            *option = value;
                        }
                    }
                }
                MACSEC_ATTR_TXSC_STATS => device.sent = wide(value),
                MACSEC_ATTR_SECY_STATS => device.counters = wide(value),
                MACSEC_ATTR_RXSC_LIST => {
                    for (_, channel) in attributes(value) {
                        device.channels.push(read_channel(channel)?);
                    }
                }
                _ => {}
            }
        }
        devices.push(device);
        Ok(())
    })?;
    check_complete(devices.len() as u64)?;
    let mut seen = (0, 0);
    for association in devices.iter().flat_map(|device| &device.channels).flat_map(|it| &it.associations) {
        seen.0 += 1;
        seen.1 += u64::from(association.next);
    }
    let cost = watch.stop()?;
    std::hint::black_box(devices);
    Ok((cost, seen))
}

fn read_channel(attrs: &[u8]) -> Result<Channel> {
    let mut channel = Channel::default();
    for (kind, value) in attributes(attrs) {
        match kind {
            MACSEC_RXSC_ATTR_SCI => channel.sci = value.try_into()?,
            MACSEC_RXSC_ATTR_ACTIVE => channel.active = *value != [0],
            MACSEC_RXSC_ATTR_STATS => channel.counters = wide(value),
            MACSEC_RXSC_ATTR_SA_LIST => {
                for (_, association) in attributes(value) {
                    channel.associations.push(read_association(association)?);
                }
            }
            _ => {}
        }
    }
    Ok(channel)
}

fn read_association(attrs: &[u8]) -> Result<Association> {
    let mut association = Association::default();
    for (kind, value) in attributes(attrs) {
        match kind {
            MACSEC_SA_ATTR_AN => {
                association.number = *value.first().ok_or("an association without a number")?
            }
            MACSEC_SA_ATTR_ACTIVE => association.active = *value != [0],
            MACSEC_SA_ATTR_PN => association.next = u32::from_ne_bytes(value.try_into()?),
            MACSEC_SA_ATTR_KEYID => association.key = value.try_into()?,
            MACSEC_SA_ATTR_STATS => {
                for (kind, value) in attributes(value) {
                    if let Some(counter) = association.counters.get_mut(usize::from(kind).wrapping_sub(1)) {
                        *counter = u32::from_ne_bytes(value.try_into()?);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(association)
}

/// Counters of 64 bits, by the number of their attribute less one.
fn wide<const N: usize>(nest: &[u8]) -> [u64; N] {
    let mut counters = [0; N];
    for (kind, value) in attributes(nest) {
        if let (Some(counter), Ok(value)) =
            (counters.get_mut(usize::from(kind).wrapping_sub(1)), value.try_into())
        {
            *counter = u64::from_ne_bytes(value);
        }
    }
    counters
}

/// All counters of a nest, of 32 and of 64 bits.
fn sum(nest: &[u8]) -> u64 {
    let counter = |value: &[u8]| match value.len() {
        4 => value.try_into().map_or(0, |bytes| u64::from(u32::from_ne_bytes(bytes))),
        _ => value.try_into().map_or(0, u64::from_ne_bytes),
    };
    attributes(nest).fold(0, |sum, (_, value)| sum.wrapping_add(counter(value)))
}

/// The attributes of this type in a nest.
fn of(nest: &[u8], kind: u16) -> impl Iterator<Item = &[u8]> {
    attributes(nest).filter_map(move |(other, value)| (other == kind).then_some(value))
}

#[cfg(feature = "ours")]
fn ours() -> Result<(Cost, Seen)> {
    use nl_core::{Connection, Protocol};
    use nl_macsec::Macsec;

    crate::runtime()?.block_on(async {
        let macsec = Macsec::new(Connection::open(Protocol::Generic)?);
        // Finds the number of the family.
        macsec.connection().family(nl_macsec::FAMILY).await?;
        let watch = Stopwatch::start()?;
        let mut seen = (0, 0);
        for secy in macsec.secys().list().await? {
            for association in secy.rx_scs.iter().flat_map(|channel| &channel.sas) {
                seen.0 += 1;
                seen.1 += association.next_pn;
            }
        }
        Ok((watch.stop()?, seen))
    })
}

fn iproute2() -> Result<(Cost, Seen)> {
    let mut command = Command::new("ip");
    command.args(["macsec", "show"]).stdin(Stdio::null());
    let (cost, text) = measure::child_with_output(&mut command)?;
    // `0: PN 1, state on, key 00…`
    let numbers =
        text.lines().filter_map(|line| line.split_once(": PN ")?.1.split(',').next()?.parse::<u32>().ok());
    let mut seen = (0, 0);
    for number in numbers {
        seen = (seen.0 + 1, seen.1 + u64::from(number));
    }
    Ok((cost, seen))
}
