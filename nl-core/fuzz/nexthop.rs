// What must hold for any bytes that are taken for nexthop objects, groups and buckets.

use nl_core::nexthop::{
    Nexthop, NexthopBucket, NexthopEvent, NexthopVerb, RTM_DELNEXTHOP, RTM_NEWNEXTHOP, RTM_NEWNEXTHOPBUCKET,
};

use super::messages::each_message;
use super::object;

const VERBS: [NexthopVerb; 3] = [NexthopVerb::Add, NexthopVerb::Delete, NexthopVerb::Replace];

pub(crate) fn check(data: &[u8]) {
    each_message(data, &[RTM_NEWNEXTHOP, RTM_DELNEXTHOP, RTM_NEWNEXTHOPBUCKET], |message| {
        if let Ok(event) = NexthopEvent::decode(message) {
            assert!(!event.nexthop().to_string().is_empty());
        }
        if let Ok(bucket) = NexthopBucket::decode(message) {
            assert!(!bucket.to_string().is_empty());
        }
        if let Ok(nexthop) = Nexthop::decode(message) {
            object::check(&nexthop, &VERBS, Nexthop::decode, Nexthop::request);
        }
    });
}
