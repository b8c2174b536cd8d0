use std::collections::HashMap;
use std::sync::Mutex;

use crate::lock;
use crate::socket::{Socket, Transport};

/// How many names are remembered; beyond that all are looked up anew.
const MAX_NAMES: usize = 1024;

/// Which index a device's name had when it was looked up.
#[derive(Default)]
pub(super) struct Names(Mutex<HashMap<String, u32>>);

impl Names {
    /// The index of a device, if it is remembered and the device still has this name.
    ///
    /// The kernel is asked for the name of that index (`SIOCGIFNAME` on the netlink socket: in its namespace, without
    /// privilege, and unlike the question for the index of a name it never loads a module).
    pub(super) fn index(&self, socket: &Socket, name: &str) -> Option<u32> {
        let index = *lock(&self.0).get(name)?;
        if socket.device_has_name(index, name) {
            return Some(index);
        }
        lock(&self.0).remove(name);
        None
    }

    /// Remembers the name of a device. Not with a simulated kernel, which cannot be asked for it.
    pub(super) fn remember(&self, socket: &Socket, name: &str, index: u32) {
        if socket.transport() == Transport::Simulated {
            return;
        }
        let mut names = lock(&self.0);
        if names.len() >= MAX_NAMES {
            names.clear();
        }
        names.insert(name.into(), index);
    }
}
