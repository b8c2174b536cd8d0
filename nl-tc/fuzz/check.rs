// The properties that hold for any bytes. Shared by the fuzz target and the test that replays the corpus.

use std::fmt::Display;

use nl_core::Request;
use nl_core::attr::DecodeError;
use nl_core::message::{MessageRef, Messages};
use nl_tc::class::Class;
use nl_tc::filter::Filter;
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::leaf::PfifoConfig;
use nl_tc::qdisc::{Qdisc, QdiscConfig};
use nl_tc::tree::{Snapshot, Tree};
use nl_tc::{RTM_NEWQDISC, RTM_NEWTCLASS, RTM_NEWTFILTER, Rate, TcHandle, TcVerb};

const VERBS: [TcVerb; 4] = [TcVerb::Add, TcVerb::Change, TcVerb::Replace, TcVerb::Delete];

/// Decodes the bytes as a datagram, and as the payload of one message of each kind of object.
pub(crate) fn check(data: &[u8]) {
    let alone =
        [RTM_NEWQDISC, RTM_NEWTCLASS, RTM_NEWTFILTER].map(|kind| MessageRef::from_parts(kind, 0, data));
    let (mut qdiscs, mut classes) = (Vec::new(), Vec::new());
    for message in Messages::new(data).map_while(Result::ok).chain(alone) {
        classes.extend(check_object(message, Class::decode, Class::request, |_| true));
        qdiscs.extend(check_object(message, Qdisc::decode, Qdisc::request, is_reported_as_sent));
        check_object(message, Filter::decode, Filter::request, |_| true);
    }
    check_configs(&classes);
    check_plans(qdiscs, classes);
}

/// It prints, and every request for it is refused with a text or decodes to the same object.
fn check_object<T: Display>(
    message: MessageRef<'_>,
    decode: fn(MessageRef<'_>) -> Result<T, DecodeError>,
    request: fn(&T, TcVerb) -> Request,
    exact: fn(&T) -> bool,
) -> Option<T> {
    let object = decode(message).ok()?;
    assert!(!object.to_string().is_empty());
    for verb in VERBS {
        let mut request_of_it = request(&object, verb);
        let bytes = match request_of_it.encoded() {
            Ok(bytes) => bytes,
            Err(error) => {
                assert!(error.is_usage(), "{error}");
                continue;
            }
        };
        if verb == TcVerb::Delete {
            continue;
        }
        let back = MessageRef::parse(bytes).and_then(decode);
        let back = back.unwrap_or_else(|error| panic!("our own request does not read back: {error}"));
        // The decoded object is exact.
        match request(&back, verb).encoded() {
            Ok(again) => assert!(again == bytes || !exact(&object), "{verb} {object}\n{again:?}\n{bytes:?}"),
            Err(error) => panic!("what was read is refused: {error}"),
        };
    }
    Some(object)
}

/// The kernel reports other times of fq_codel, codel and pie than it receives. Decoding expects the reported ones.
fn is_reported_as_sent(qdisc: &Qdisc) -> bool {
    match &qdisc.config {
        QdiscConfig::FqCodel(config) => {
            [config.target, config.interval, config.ce_threshold].iter().all(Option::is_none)
        }
        QdiscConfig::Codel(config) => {
            [config.target, config.interval, config.ce_threshold].iter().all(Option::is_none)
        }
        QdiscConfig::FqPie(config) => config.target.is_none(),
        QdiscConfig::Pie(config) => config.target.is_none(),
        _ => true,
    }
}

/// The decoded configuration meets the requested one.
fn check_configs(classes: &[Class]) {
    for class in classes {
        let mut request = class.request(TcVerb::Replace);
        let Ok(bytes) = request.encoded() else { continue };
        if let Ok(back) = MessageRef::parse(bytes).and_then(Class::decode) {
            assert!(class.config.is_met_by(&back.config), "{class}\n{:?}\n{:?}", class.config, back.config);
        }
    }
}

/// Any current state can be removed and replaced.
fn check_plans(qdiscs: Vec<Qdisc>, classes: Vec<Class>) {
    let index = qdiscs.first().map_or(1, |qdisc| qdisc.index.max(1));
    let rooted = qdiscs.iter().any(|q| q.index == index && q.parent.is_root() && !q.handle.is_none());
    let now = Snapshot::new(index, qdiscs, classes);
    let htb = TcHandle::new(1, 0);
    let tree = Tree::new()
        .qdisc(TcHandle::ROOT, htb, HtbConfig::new())
        .class(htb, htb.class(1), HtbClassConfig::new(Rate::mbit(1)))
        .class(htb.class(1), htb.class(2), HtbClassConfig::new(Rate::mbit(1)))
        .qdisc(htb.class(2), TcHandle::NONE, PfifoConfig::new().limit(1));
    if let Ok(plan) = Tree::new().plan(&now) {
        assert_eq!(plan.steps().len(), usize::from(rooted), "{plan}");
    }
    if let Err(error) = tree.plan(&now) {
        assert!(error.is_usage(), "{error}");
    }
}
