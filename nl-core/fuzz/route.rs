// What must hold for any bytes that are taken for routes.

use nl_core::route::{RTM_DELROUTE, RTM_NEWROUTE, Route, RouteEvent, RouteVerb};

use super::messages::each_message;
use super::object;

const VERBS: [RouteVerb; 6] = [
    RouteVerb::Add,
    RouteVerb::Append,
    RouteVerb::Change,
    RouteVerb::Delete,
    RouteVerb::Prepend,
    RouteVerb::Replace,
];

pub(crate) fn check(data: &[u8]) {
    each_message(data, &[RTM_NEWROUTE, RTM_DELROUTE], |message| {
        if let Ok(event) = RouteEvent::decode(message) {
            assert!(!event.route().to_string().is_empty());
            let _ = (event.route().key(), Route::is_route(message));
        }
        if let Ok(route) = Route::decode(message) {
            object::check(&route, &VERBS, Route::decode, Route::request);
        }
    });
}
