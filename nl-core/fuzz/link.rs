// What must hold for any bytes that are taken for devices.

use nl_core::link::{Link, LinkEvent, RTM_DELLINK, RTM_NEWLINK};

use super::messages::each_message;

pub(crate) fn check(data: &[u8]) {
    each_message(data, &[RTM_NEWLINK, RTM_DELLINK], |message| {
        let read = Link::decode(message);
        if let Ok(link) = &read {
            assert!(!link.name.contains('\0'));
            let _ = (link.mac(), link.is_up(), link.is_kind("bridge"), format!("{link:?}"));
        }
        match LinkEvent::decode(message) {
            Ok(Some(event)) => assert!(read.is_ok_and(|link| link == *event.link())),
            // Messages of other families are about something else.
            Ok(None) => {}
            Err(_) => assert!(read.is_err()),
        }
    });
}
