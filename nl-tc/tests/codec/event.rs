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
