//! Operations of several requests: with every fault of every answer, and dropped at every await point.
//!
//! What the kernel may have done when an operation is dropped is what it did when the operation fails at the same place: a request that was
//! sent is carried out, those behind it are not sent.

use std::time::Duration;

use nl_core::address::{Address, AddressVerb, Addresses, RTM_NEWADDR};
use nl_core::link::{Links, RTM_NEWLINK, Vrf};
use nl_core::message::{FixedHeader, IfInfoMsg, NLM_F_DUMP};
use nl_core::neighbour::{Neighbour, NeighbourState, NeighbourVerb, Neighbours, RTM_NEWNEIGH};
use nl_core::nexthop::{Nexthop, NexthopVerb, Nexthops, RTM_NEWNEXTHOP};
use nl_core::route::{RTM_NEWROUTE, Route, RouteVerb, Routes};
use nl_core::rule::{RTM_NEWRULE, Rule, RuleVerb, Rules};
use nl_core::{Connection, IpFamily, MacAddr, Protocol, Request};
use nl_testkit::fault::{
    Answer, Conversation, Operation, Played, each_at_every_await, each_with_every_fault, in_words,
};

use crate::{DEADLINE, IFLA_IFNAME, change};

const RTM_GETLINK: u16 = 18;
const RTM_GETADDR: u16 = 22;
const RTM_GETROUTE: u16 = 26;
const RTM_GETNEIGH: u16 = 30;
const RTM_GETRULE: u16 = 34;
const RTM_GETNEXTHOP: u16 = 106;
const DEV: u32 = 7;
/// Of a connection: its own, and those of lists and batches that are kept to be used again.
const SOCKETS: usize = 5;

/// A kernel with two objects of each kind, which carries out whatever it is asked.
fn kernel(request: &[u8]) -> Conversation {
    let short = |at: usize| {
        let bytes = request.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u16::from_ne_bytes(*bytes))
    };
    let objects = objects(short(4));
    if short(6) & NLM_F_DUMP == NLM_F_DUMP {
        let entries = objects.into_iter().map(|object| object.answers(request).multi());
        return Conversation::of(entries.chain([Answer::done(0).answers(request)]));
    }
    let first = objects.into_iter().next().map(|object| object.answers(request));
    Conversation::of(first.into_iter().chain([Answer::ack(request)]))
}

/// What this request reads.
fn objects(kind: u16) -> Vec<Answer> {
    match kind {
        RTM_GETLINK => ["d0\0", "d1\0"].iter().zip(DEV..).map(|(name, index)| device(name, index)).collect(),
        RTM_GETADDR => ["192.0.2.1/24", "2001:db8::1/64"]
            .map(|prefix| {
                let address = Address::new(prefix.parse().unwrap(), DEV);
                entry(RTM_NEWADDR, address.request(AddressVerb::Add))
            })
            .to_vec(),
        RTM_GETNEIGH => ["192.0.2.9", "192.0.2.10"]
            .map(|dst| {
                let neighbour = Neighbour::new(dst.parse().unwrap(), DEV).lladdr(MacAddr::new([2; 6]));
                let reachable = neighbour.state(NeighbourState::REACHABLE);
                entry(RTM_NEWNEIGH, reachable.request(NeighbourVerb::Add))
            })
            .to_vec(),
        RTM_GETROUTE => ["198.51.100.0/24", "203.0.113.0/24"]
            .map(|prefix| {
                let mut route = Route::new(prefix.parse().unwrap());
                route.oif = Some(DEV);
                entry(RTM_NEWROUTE, route.request(RouteVerb::Add))
            })
            .to_vec(),
        RTM_GETRULE => [7, 8]
            .map(|priority| {
                let rule = Rule::new(IpFamily::V4).priority(priority).table(9);
                entry(RTM_NEWRULE, rule.request(RuleVerb::Add))
            })
            .to_vec(),
        RTM_GETNEXTHOP => [1, 2]
            .map(|id| {
                let mut hop = Nexthop::new(id);
                hop.oif = Some(DEV);
                entry(RTM_NEWNEXTHOP, hop.request(NexthopVerb::Add))
            })
            .to_vec(),
        _ => Vec::new(),
    }
}

fn device(name: &str, index: u32) -> Answer {
    let mut header = Vec::new();
    IfInfoMsg { index, ..IfInfoMsg::default() }.write(&mut header);
    Answer::new(RTM_NEWLINK, &header).attr(IFLA_IFNAME, name.as_bytes())
}

/// The kernel reports an object with the attributes that make it.
fn entry(kind: u16, mut request: Request) -> Answer {
    Answer::new(kind, request.encoded().unwrap().get(16..).unwrap())
}

const OPERATIONS: &[Operation<Connection>] = &[
    ("find a device", |conn| in_words(conn.link_index("d0"))),
    ("name a device", |conn| in_words(conn.link_name(DEV))),
    ("name all devices", |conn| {
        in_words(async move { Ok::<_, nl_core::Error>(conn.link_names().await?.len()) })
    }),
    ("read a device", |conn| in_words(Links::new(conn).device("d0").get())),
    ("add a device", |conn| {
        let device = Links::new(conn).device("d0").kind(Vrf::new(9)).up();
        in_words(device.alt_name("another-name").add())
    }),
    ("change a device", |conn| {
        in_words(Links::new(conn).device("d0").mtu(1400).alt_name("another").change())
    }),
    ("enslave a device", |conn| in_words(Links::new(conn).device("d0").master("d0").change())),
    ("delete a device", |conn| in_words(Links::new(conn).device("d0").delete())),
    ("list devices", |conn| {
        in_words(async move { Links::new(conn).devices().list().await?.collect_all().await })
    }),
    ("add an address", |conn| {
        in_words(Addresses::new(conn).entry("192.0.2.1/24".parse().unwrap(), "d0").add())
    }),
    ("read an address", |conn| {
        in_words(Addresses::new(conn).entry("192.0.2.1/24".parse().unwrap(), "d0").get())
    }),
    ("list addresses", |conn| {
        in_words(async move { Addresses::new(conn).entries().dev("d0").list().await?.collect_all().await })
    }),
    ("flush addresses", |conn| in_words(Addresses::new(conn).entries().dev("d0").flush())),
    ("add a neighbour", |conn| {
        let entry = Neighbours::new(conn).entry("192.0.2.9".parse().unwrap(), "d0");
        in_words(entry.lladdr(MacAddr::new([2; 6])).add())
    }),
    ("read a neighbour", |conn| {
        in_words(Neighbours::new(conn).entry("192.0.2.9".parse().unwrap(), "d0").get())
    }),
    ("list neighbours", |conn| {
        in_words(async move { Neighbours::new(conn).entries().dev("d0").list().await?.collect_all().await })
    }),
    ("flush neighbours", |conn| in_words(Neighbours::new(conn).entries().dev("d0").flush())),
    ("add a route", |conn| {
        in_words(Routes::new(conn).entry("198.51.100.0/24".parse().unwrap()).dev("d0").add())
    }),
    ("read a route", |conn| {
        in_words(Routes::new(conn).entry("198.51.100.0/24".parse().unwrap()).dev("d0").get())
    }),
    ("list routes", |conn| {
        in_words(async move { Routes::new(conn).entries().dev("d0").list().await?.collect_all().await })
    }),
    ("flush routes", |conn| in_words(Routes::new(conn).entries().dev("d0").flush())),
    ("add a rule", |conn| in_words(Rules::new(conn).entry(IpFamily::V4).priority(7).table(9).add())),
    ("list rules", |conn| {
        in_words(async move { Rules::new(conn).entries().list().await?.collect_all().await })
    }),
    ("flush rules", |conn| in_words(Rules::new(conn).entries().table(9).flush())),
    ("add a nexthop", |conn| in_words(Nexthops::new(conn).entry(1).dev("d0").add())),
    ("read a nexthop", |conn| in_words(Nexthops::new(conn).entry(1).get())),
    ("list nexthops", |conn| {
        in_words(async move { Nexthops::new(conn).entries().dev("d0").list().await?.collect_all().await })
    }),
    ("flush nexthops", |conn| in_words(Nexthops::new(conn).entries().dev("d0").flush())),
    ("replace a device", |conn| in_words(Links::new(conn).device("d0").mtu(1400).replace())),
    ("list devices, or a part of them", |conn| {
        in_words(async move {
            let partial = Links::new(conn).devices().list().await?.collect_partial().await?;
            partial.into_result()
        })
    }),
    ("replace an address", |conn| {
        in_words(Addresses::new(conn).entry("192.0.2.1/24".parse().unwrap(), "d0").replace())
    }),
    ("delete an address", |conn| {
        in_words(Addresses::new(conn).entry("192.0.2.1/24".parse().unwrap(), "d0").delete())
    }),
    ("replace a neighbour", |conn| {
        let entry = Neighbours::new(conn).entry("192.0.2.9".parse().unwrap(), "d0");
        in_words(entry.lladdr(MacAddr::new([2; 6])).replace())
    }),
    ("change a neighbour", |conn| {
        let entry = Neighbours::new(conn).entry("192.0.2.9".parse().unwrap(), "d0");
        in_words(entry.lladdr(MacAddr::new([2; 6])).change())
    }),
    ("delete a neighbour", |conn| {
        in_words(Neighbours::new(conn).entry("192.0.2.9".parse().unwrap(), "d0").delete())
    }),
    ("append a route", |conn| {
        in_words(Routes::new(conn).entry("198.51.100.0/24".parse().unwrap()).dev("d0").append())
    }),
    ("prepend a route", |conn| {
        in_words(Routes::new(conn).entry("198.51.100.0/24".parse().unwrap()).dev("d0").prepend())
    }),
    ("change a route", |conn| {
        in_words(Routes::new(conn).entry("198.51.100.0/24".parse().unwrap()).dev("d0").change())
    }),
    ("replace a route", |conn| {
        in_words(Routes::new(conn).entry("198.51.100.0/24".parse().unwrap()).dev("d0").replace())
    }),
    ("delete a route", |conn| {
        in_words(Routes::new(conn).entry("198.51.100.0/24".parse().unwrap()).dev("d0").delete())
    }),
    ("look up a route", |conn| {
        in_words(Routes::new(conn).resolve("198.51.100.7".parse().unwrap()).oif("d0").get())
    }),
    ("delete a rule", |conn| in_words(Rules::new(conn).entry(IpFamily::V4).priority(7).delete())),
    ("replace a nexthop", |conn| in_words(Nexthops::new(conn).entry(1).dev("d0").replace())),
    ("delete a nexthop", |conn| in_words(Nexthops::new(conn).entry(1).delete())),
    ("add in a batch", |conn| {
        in_words(async move {
            let changes =
                [7, 8].map(|priority| (RuleVerb::Add, Rule::new(IpFamily::V4).priority(priority).table(9)));
            Rules::new(conn).batch(changes).summarize(1).await?.into_result()
        })
    }),
];

/// Where there is a fault, an answer may not come.
const PATIENCE: Duration = Duration::from_millis(20);

fn connection(kernel: &Played) -> Connection {
    let patience = if kernel.has_fault() { PATIENCE } else { DEADLINE };
    let sockets = kernel.clone();
    let builder = Connection::builder(Protocol::Route).sockets_from(move || sockets.socket());
    builder.timeout(patience).open().unwrap()
}

#[tokio::test]
async fn operation_with_any_fault_ends_and_is_no_false_success() {
    // Attributes behind the header of links, which every operation by name begins with.
    let headers = |kind| (kind == RTM_NEWLINK).then_some(IfInfoMsg::LEN);
    each_with_every_fault(OPERATIONS, kernel, headers, DEADLINE, connection).await;
}

#[tokio::test]
async fn operation_dropped_at_any_await_leaves_the_connection_usable_and_nothing_else() {
    let works = async |conn: &Connection| drop(conn.ack(change("x")).await.unwrap());
    each_at_every_await(OPERATIONS, kernel, SOCKETS, DEADLINE, connection, works).await;
}
