// What must hold for any bytes that are taken for ids of namespaces.

use nl_core::nsid::{Nsid, NsidEvent, RTM_DELNSID, RTM_NEWNSID};

use super::messages::each_message;

pub(crate) fn check(data: &[u8]) {
    each_message(data, &[RTM_NEWNSID, RTM_DELNSID], |message| {
        let read = Nsid::decode(message);
        match NsidEvent::decode(message) {
            Ok(Some(event)) => {
                assert!(i32::try_from(event.nsid().id).is_ok(), "{event} is no id of the kernel");
                assert_eq!(read, Ok(event.nsid()));
            }
            Ok(None) | Err(_) => assert!(read.is_err()),
        }
    });
}
