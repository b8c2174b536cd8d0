//! Events, as other crates read them.

use nl_core::message::MessageRef;
use nl_tc::action::Action;
use nl_tc::class::Class;
use nl_tc::filter::{Filter, Matchall};
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::qdisc::Qdisc;
use nl_tc::{Rate, TcEvent, TcHandle, TcVerb};

const QDISC: TcHandle = TcHandle::new(1, 0);

fn event(mut request: nl_core::Request) -> Option<TcEvent> {
    TcEvent::decode(MessageRef::parse(request.encoded().unwrap()).unwrap()).unwrap()
}

#[test]
fn every_event_is_read_as_what_it_is_about() {
    let qdisc = Qdisc::new(2, TcHandle::ROOT, HtbConfig::new()).handle(QDISC);
    assert!(
        matches!(event(qdisc.request(TcVerb::Add)), Some(TcEvent::NewQdisc(read)) if read.handle == QDISC)
    );
    assert!(matches!(event(qdisc.request(TcVerb::Delete)), Some(TcEvent::DeletedQdisc(_))));
    let class = Class::new(2, QDISC.class(1), HtbClassConfig::new(Rate::mbit(1)));
    assert!(matches!(event(class.request(TcVerb::Add)), Some(TcEvent::NewClass(_))));
    assert!(matches!(event(class.request(TcVerb::Delete)), Some(TcEvent::DeletedClass(_))));
    let filter = Filter::new(2, QDISC, Matchall::new(QDISC.class(1))).priority(1);
    assert!(matches!(event(filter.request(TcVerb::Add)), Some(TcEvent::NewFilter(_))));
    assert!(matches!(event(filter.request(TcVerb::Delete)), Some(TcEvent::DeletedFilter(_))));
    let action = Action::drop().index(5);
    assert!(matches!(event(action.request(TcVerb::Add)), Some(TcEvent::NewActions(all)) if all.len() == 1));
    // A chain, and a link.
    for kind in [100, 16] {
        let request = nl_core::Request::unnamed(kind).with_header(&nl_tc::TcMsg::default());
        assert_eq!(event(request), None);
    }
}

/// With an ingress qdisc, `tc` calls the place of its filters `ffff:` and others call it `ffff:fff2`, and the kernel reports what the request
/// had.
#[cfg(feature = "watch")]
#[test]
fn filter_on_ingress_is_watched_under_both_names_of_its_parent() {
    use nl_core::watch::{Event, Source};
    use nl_tc::watch::FilterTable;
    let names = [TcHandle::CLSACT_INGRESS, TcHandle::new(0xffff, 0)];
    for [watched, reported] in [[names[0], names[1]], [names[1], names[0]], [names[0], names[0]]] {
        let filter = Filter::new(2, reported, Matchall::new(QDISC.class(1))).priority(1).handle(1);
        let mut request = filter.request(TcVerb::Add);
        let event = FilterTable::new(2, watched)
            .decode_event(MessageRef::parse(request.encoded().unwrap()).unwrap())
            .unwrap();
        assert!(matches!(event, Some(Event::New(read)) if read.parent == watched));
    }
    let elsewhere =
        Filter::new(2, TcHandle::CLSACT_EGRESS, Matchall::new(QDISC.class(1))).priority(1).handle(1);
    let mut request = elsewhere.request(TcVerb::Add);
    let message = MessageRef::parse(request.encoded().unwrap()).unwrap();
    let event = FilterTable::new(2, TcHandle::CLSACT_INGRESS).decode_event(message).unwrap();
    assert!(event.is_none());
}
