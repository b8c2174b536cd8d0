//! Operations of several requests over a simulated kernel: with every fault of every answer, and dropped at every await point.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use nl_core::attr::{AttrBuf, Attrs, DecodeError};
use nl_core::error::ErrorKind;
use nl_core::message::{MessageRef, NLM_F_DUMP};
use nl_core::route::{
    NextHop, RTM_DELROUTE, RTM_GETROUTE, RTM_NEWROUTE, RawEncap, Route, RouteProtocol, RouteVerb, Routes,
};
use nl_core::{Connection, IpPrefix, Protocol};
use nl_srv6::encap::{SEG6_KIND, Seg6};
use nl_srv6::hmac::{HmacAlgorithm, HmacKey, HmacKeys, HmacSecret};
use nl_srv6::policy::{CandidatePath, Headend, Policy, PolicySet};
use nl_srv6::routes::{SegmentRoute, Srv6Routes};
use nl_srv6::sid::{Seg6Local, SidAction, Sids};
use nl_srv6::tunnel_source::TunnelSource;
use nl_testkit::fault::{
    Answer, Conversation, Operation, Played, each_at_every_await, each_with_every_fault, in_words,
};

use crate::commands::{addr, segments};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const NLCTRL: u16 = 0x10;
/// A number the family may have.
const FAMILY: u16 = 0x22;
const DEV: u32 = 7;
const DEADLINE: Duration = Duration::from_secs(20);
/// Where there is a fault, an answer may not come.
const PATIENCE: Duration = Duration::from_millis(20);
/// Of a connection: its own, and those of lists that are kept to be used again.
const SOCKETS: usize = 5;
/// The metric of an IPv6 route that is made without one.
const METRIC: u32 = 1024;

fn sid() -> IpPrefix {
    "fcbb:0:a::".parse().unwrap()
}

fn prefix() -> IpPrefix {
    "2001:db8:2::/48".parse().unwrap()
}

fn path() -> Seg6 {
    Seg6::encap(segments(2))
}

/// A policy with two lists of segments.
fn set() -> PolicySet {
    let lists = CandidatePath::new(100).list(path()).list(Seg6::encap(segments(1)));
    let policy = Policy::new(100, addr("fcbb:0:d::")).path(lists).prefix("2001:db8:9::/48".parse().unwrap());
    PolicySet::new("d0", 5000..=5099, RouteProtocol(200)).policy(policy)
}

/// A kernel with `d0`, a SID and a route with segments on it, which carries out whatever it is asked.
fn kernel(request: &[u8]) -> Conversation {
    let short = |at: usize| {
        let bytes = request.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u16::from_ne_bytes(*bytes))
    };
    let is_dump = short(6) & NLM_F_DUMP == NLM_F_DUMP;
    // A look-up is of the first address of the prefix.
    let wants_path = request.windows(6).any(|bytes| *bytes == [0x20, 0x01, 0x0d, 0xb8, 0, 2]);
    let sid = Route::new(sid()).with_encap(&Seg6Local::new(SidAction::End));
    let path = Route::new(prefix()).with_encap(&path());
    let objects = match short(4) {
        // `struct ifinfomsg` with an index, and IFLA_IFNAME.
        RTM_GETLINK => {
            let header = [&[0, 0, 1, 0][..], &DEV.to_ne_bytes(), &[0; 8]].concat();
            vec![Answer::new(RTM_NEWLINK, &header).attr(3, b"d0\0")]
        }
        RTM_GETROUTE if is_dump => vec![report(sid), report(path)],
        RTM_GETROUTE => vec![report(if wants_path { path } else { sid })],
        _ => Vec::new(),
    };
    let objects = objects.into_iter().map(|object| object.answers(request));
    match is_dump {
        true => Conversation::of(objects.map(Answer::multi).chain([Answer::done(0).answers(request)])),
        false => Conversation::of(objects.chain([Answer::ack(request)])),
    }
}

/// The kernel reports a route with the attributes that make it.
fn report(mut route: Route) -> Answer {
    (route.oif, route.priority) = (Some(DEV), Some(METRIC));
    let mut request = route.request(RouteVerb::Add);
    Answer::new(RTM_NEWROUTE, request.encoded().unwrap().get(16..).unwrap())
}

const OPERATIONS: &[Operation<Connection>] = &[
    ("add a SID", |conn| in_words(Sids::new(conn).end(sid()).dev("d0").add())),
    ("replace a SID", |conn| in_words(Sids::new(conn).end(sid()).dev("d0").replace())),
    ("read a SID", |conn| in_words(Sids::new(conn).sid(sid()).get())),
    ("delete a SID", |conn| in_words(Sids::new(conn).sid(sid()).delete())),
    ("delete a SID that does this", |conn| in_words(Sids::new(conn).end(sid()).delete())),
    ("add a route", |conn| in_words(Srv6Routes::new(conn).entry(prefix(), &path()).dev("d0").add())),
    ("read a route", |conn| in_words(Srv6Routes::new(conn).entry(prefix(), &path()).get())),
    ("delete a route", |conn| in_words(Srv6Routes::new(conn).entry(prefix(), &path()).delete())),
    ("list routes", |conn| {
        in_words(async move { Srv6Routes::new(conn).entries().list().await?.collect_all().await })
    }),
    ("append a route", |conn| in_words(Srv6Routes::new(conn).entry(prefix(), &path()).dev("d0").append())),
    ("replace a route", |conn| in_words(Srv6Routes::new(conn).entry(prefix(), &path()).dev("d0").replace())),
    ("list SIDs", |conn| {
        in_words(async move { Sids::new(conn).entries().list().await?.collect_all().await })
    }),
    ("read policies", |conn| in_words(Headend::new(conn).snapshot(&set()))),
    ("apply policies", |conn| {
        in_words(async move { Headend::new(conn).apply(&set()).await.map(|plan| plan.to_string()) })
    }),
    ("remove policies", |conn| {
        in_words(async move { Headend::new(conn).remove(&set()).await.map(|plan| plan.to_string()) })
    }),
];

fn secret() -> HmacSecret {
    HmacSecret::new(b"secret".to_vec())
}

/// A kernel with a key and an address for the outer headers, as the generic netlink family has them.
fn generic_kernel(request: &[u8]) -> Conversation {
    let short = |at: usize| {
        let bytes = request.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u16::from_ne_bytes(*bytes))
    };
    let is_dump = short(6) & NLM_F_DUMP == NLM_F_DUMP;
    let command = request.get(16).copied();
    let object = match (short(4), command) {
        (NLCTRL, _) => {
            Some(Answer::new(NLCTRL, &[1, 2, 0, 0]).attr(2, b"SEG6\0").attr(1, &FAMILY.to_ne_bytes()))
        }
        // `SEG6_CMD_DUMPHMAC`: the attributes with which a key is set.
        (_, Some(2)) => {
            let mut key = HmacKey::set_request(FAMILY, 7, HmacAlgorithm::Sha256, &secret());
            Some(Answer::new(FAMILY, key.encoded().unwrap().get(16..).unwrap()))
        }
        // `SEG6_CMD_GET_TUNSRC`: SEG6_ATTR_DST.
        (_, Some(4)) => Some(Answer::new(FAMILY, &[4, 1, 0, 0]).attr(1, &addr("2001:db8::1").octets())),
        _ => None,
    };
    let object = object.map(|object| object.answers(request)).into_iter();
    match is_dump {
        true => Conversation::of(object.map(Answer::multi).chain([Answer::done(0).answers(request)])),
        false => Conversation::of(object.chain([Answer::ack(request)])),
    }
}

const GENERIC_OPERATIONS: &[Operation<Connection>] = &[
    ("set a key", |conn| in_words(HmacKeys::new(conn).key(7).set(HmacAlgorithm::Sha256, &secret()))),
    ("delete a key", |conn| in_words(HmacKeys::new(conn).key(7).delete())),
    ("list keys", |conn| in_words(async move { HmacKeys::new(conn).list().await?.collect_all().await })),
    ("read the tunnel source", |conn| in_words(TunnelSource::new(conn).get())),
    ("set the tunnel source", |conn| in_words(TunnelSource::new(conn).set(addr("2001:db8::1")))),
    ("clear the tunnel source", |conn| in_words(TunnelSource::new(conn).clear())),
];

fn connection(kernel: &Played, protocol: Protocol) -> Connection {
    let patience = if kernel.has_fault() { PATIENCE } else { DEADLINE };
    let sockets = kernel.clone();
    let builder = Connection::builder(protocol).sockets_from(move || sockets.socket());
    builder.timeout(patience).open().unwrap()
}

fn route(kernel: &Played) -> Connection {
    connection(kernel, Protocol::Route)
}

fn generic(kernel: &Played) -> Connection {
    connection(kernel, Protocol::Generic)
}

#[tokio::test]
async fn operation_with_any_fault_ends_and_is_no_false_success() {
    each_with_every_fault(OPERATIONS, kernel, |_| None, DEADLINE, route).await;
    each_with_every_fault(GENERIC_OPERATIONS, generic_kernel, |_| None, DEADLINE, generic).await;
}

#[tokio::test]
async fn operation_dropped_at_any_await_leaves_the_connection_usable_and_nothing_else() {
    let works = async |conn: &Connection| assert_eq!(conn.link_index("d0").await.unwrap(), DEV);
    each_at_every_await(OPERATIONS, kernel, SOCKETS, DEADLINE, route, works).await;
    let works =
        async |conn: &Connection| assert!(TunnelSource::new(conn.clone()).get().await.unwrap().is_some());
    each_at_every_await(GENERIC_OPERATIONS, generic_kernel, SOCKETS, DEADLINE, generic, works).await;
}

/// Routes that differ in what could be left of one in the place of the next.
fn different_routes() -> Vec<Route> {
    let to = |third: u16| Route::new(format!("2001:db8:{third}::/48").parse().unwrap());
    let hop = |last: u16| NextHop::via(format!("2001:db8::{last}").parse().unwrap()).dev(DEV);
    let mut buf = AttrBuf::new();
    buf.writer().u32(200, 7);
    let unknown = buf.finish().unwrap();
    let mut full = Seg6::encap(segments(3)).hmac(42).source(addr("2001:db8::1"));
    full.srh = full.srh.tag(9);
    Attrs::new(&unknown).for_each(|attr| full.unknown.push(attr.unwrap()));
    let mut overwritten = Seg6::inline(segments(2));
    overwritten.overwritten = Some(addr("fcbb:0:f::"));
    vec![
        to(1).oif(DEV).metric(7).mtu(1400).with_encap(&full),
        to(2).oif(DEV),
        to(3).oif(DEV).with_encap(&Seg6::encap_red(segments(1))),
        // Longer than what an encapsulation has room for without a block of its own.
        to(4).oif(DEV).with_encap(&Seg6::encap(segments(9))),
        to(5).oif(DEV).with_encap(&overwritten),
        to(6).nexthop(hop(1).with_encap(&full)).nexthop(hop(2).with_encap(&Seg6::encap(segments(1)))),
        to(7).nexthop(hop(1)).nexthop(hop(2).with_encap(&Seg6::encap(segments(2)))),
        to(8).oif(DEV).with_encap(&Seg6Local::new(SidAction::End)),
        to(9).blackhole(),
        to(10).via("2001:db8::3".parse().unwrap()).with_encap(&Seg6::l2encap(segments(2))),
        "198.51.100.0/24".parse().map(Route::new).unwrap().oif(DEV).with_encap(&Seg6::encap(segments(2))),
    ]
}

fn reported(route: &Route) -> Answer {
    let mut request = route.request(RouteVerb::Add);
    Answer::new(RTM_NEWROUTE, request.encoded().unwrap().get(16..).unwrap())
}

/// A kernel that lists these, as many in a datagram as fit.
fn listing(answers: Vec<Answer>) -> Connection {
    let script = move |request: &[u8]| {
        let answers = answers.iter().map(|answer| answer.clone().multi().answers(request));
        Conversation::of(answers.chain([Answer::done(0).answers(request)])).packed(16 * 1024)
    };
    connection(&Played::new(script), Protocol::Route)
}

fn alone(answer: &Answer) -> Option<SegmentRoute> {
    SegmentRoute::decode(MessageRef::parse(&answer.to_bytes()).unwrap()).unwrap()
}

/// Each behind each of the others, in the place of which it is read.
#[tokio::test]
async fn visited_route_has_nothing_of_the_one_before() {
    let routes = different_routes();
    let pairs = routes.iter().flat_map(|first| routes.iter().flat_map(move |second| [first, second]));
    let answers: Vec<_> = pairs.map(reported).collect();
    let wanted: Vec<_> = answers.iter().filter_map(alone).collect();
    assert_eq!(wanted.len(), 8 * 11 * 2);
    let list = Srv6Routes::new(listing(answers.clone())).entries().list().await.unwrap();
    let visited = list.visit(Vec::new(), |visited, route| visited.push(route.clone())).await.unwrap();
    assert_eq!(visited, wanted);
    // With the words of the encapsulation, which are not compared.
    assert_eq!(format!("{visited:?}"), format!("{wanted:?}"));
    let list = Srv6Routes::new(listing(answers.clone())).entries().list().await.unwrap();
    assert_eq!(list.collect_all().await.unwrap(), wanted);
    // A list of all routes is read in the same way.
    let wanted: Vec<_> = answers
        .iter()
        .map(|answer| Route::decode(MessageRef::parse(&answer.to_bytes()).unwrap()).unwrap())
        .collect();
    let list = Routes::new(listing(answers)).entries().list().await.unwrap();
    let visited = list.visit(Vec::new(), |visited, route| visited.push(route.clone())).await.unwrap();
    assert_eq!(format!("{visited:?}"), format!("{wanted:?}"));
}

#[tokio::test]
async fn visit_ends_at_segments_that_cannot_be_read_and_shows_nothing_of_them() {
    let empty = || RawEncap::new(SEG6_KIND, Vec::new());
    let hop = |last: u16| NextHop::via(format!("2001:db8::{last}").parse().unwrap()).dev(DEV);
    let one = Route::new(prefix()).oif(DEV).with_raw_encap(empty());
    let second_of_two = Route::new(prefix())
        .nexthop(hop(1).with_encap(&Seg6::encap(segments(1))))
        .nexthop(hop(2).with_raw_encap(empty()));
    for broken in [one, second_of_two] {
        let good = different_routes();
        let answers: Vec<_> = [&good[0], &good[5], &broken, &good[0]].into_iter().map(reported).collect();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let list = Srv6Routes::new(listing(answers.clone())).entries().list().await.unwrap();
        let into = seen.clone();
        let visit = list.visit((), move |(), route| into.lock().unwrap().push(route.clone()));
        let error = visit.await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Decode(DecodeError::Missing(1))), "{error}");
        let wanted: Vec<_> = answers[..2].iter().filter_map(alone).collect();
        assert_eq!(*seen.lock().unwrap(), wanted);
    }
}

/// Between the request and the look at what was made.
#[tokio::test]
async fn sid_that_another_program_has_changed_since_is_left_alone() {
    let kind = |request: &[u8]| {
        let bytes = request.get(4..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u16::from_ne_bytes(*bytes))
    };
    let played = Played::new(move |request| match kind(request) {
        RTM_GETROUTE => {
            let changed = Route::new(sid()).with_encap(&Seg6Local::new(SidAction::EndT { table: 300 }));
            Conversation::of([report(changed).answers(request), Answer::ack(request)])
        }
        _ => kernel(request),
    });
    let sids = Sids::new(connection(&played, Protocol::Route));
    let error = sids.end(sid()).dev("d0").add().await.unwrap_err();
    assert!(error.is_not_found() && !error.is_unsupported(), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("End.T table 300")), "{error}");
    let deleted = played.exchanges().iter().any(|(request, _)| kind(request) == RTM_DELROUTE);
    assert!(!deleted, "the other program's SID was deleted");
}

/// The key of a signed route is looked for where keys may be listed; where they may not, the kernel is asked for the route at once.
#[tokio::test]
async fn route_is_refused_where_its_key_is_known_to_be_missing() {
    const EPERM: i32 = 1;
    for (may_list, key, is_made) in [(true, 42, false), (true, 7, true), (false, 42, true)] {
        let both = move |request: &[u8]| {
            let kind =
                request.get(4..).and_then(|rest| rest.first_chunk()).map(|kind| u16::from_ne_bytes(*kind));
            match kind {
                Some(FAMILY) if !may_list => Conversation::of([Answer::error(EPERM, request)]),
                Some(NLCTRL | FAMILY) => generic_kernel(request),
                _ => kernel(request),
            }
        };
        let played = Played::new(both);
        let conn = connection(&played, Protocol::Route);
        let signed = path().hmac(key);
        let routes = Srv6Routes::new(conn.clone());
        let srh = nl_srv6::srh::Srh::new(segments(2)).hmac(key);
        let binding = SidAction::EndB6Encaps { srh };
        // The simulated kernel has another SID, so this one is not read back.
        let outcomes = [
            routes.entry(prefix(), &signed).dev("d0").add().await,
            Sids::new(conn).entry(sid(), binding).dev("d0").unchecked().add().await,
        ];
        let [of_route, of_unchecked] = outcomes;
        match of_route {
            Ok(_) => assert!(is_made, "key {key}"),
            Err(error) => {
                assert!(!is_made && error.is_usage(), "{error}");
                assert!(error.to_string().contains("there is no HMAC key 42"), "{error}");
            }
        }
        of_unchecked.unwrap();
    }
}
