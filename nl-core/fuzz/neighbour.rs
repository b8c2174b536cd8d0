// What must hold for any bytes that are taken for neighbours.

use nl_core::neighbour::{Neighbour, NeighbourEvent, NeighbourVerb, RTM_DELNEIGH, RTM_NEWNEIGH};

use super::messages::each_message;
use super::object;

const VERBS: [NeighbourVerb; 4] =
    [NeighbourVerb::Add, NeighbourVerb::Change, NeighbourVerb::Delete, NeighbourVerb::Replace];

pub(crate) fn check(data: &[u8]) {
    each_message(data, &[RTM_NEWNEIGH, RTM_DELNEIGH], |message| {
        if let Ok(Some(event)) = NeighbourEvent::decode(message) {
            assert!(!format!("{event:?}").is_empty());
        }
        if let Ok(neighbour) = Neighbour::decode(message) {
            object::check(&neighbour, &VERBS, Neighbour::decode, Neighbour::request);
        }
    });
}
