use std::sync::Mutex;

use crate::lock;
use crate::socket::{Socket, Transport};

/// How many names are remembered; beyond that all are looked up again.
const MAX_NAMES: usize = 1024;

/// Which index a device's name had when it was looked up, sorted by name.
#[derive(Default)]
pub(super) struct Names(Mutex<Vec<(Box<str>, u32)>>);

impl Names {
    /// The index of a device, if it is remembered and the device still has this name.
    ///
    /// The kernel is asked for the name of that index (`SIOCGIFNAME` on the netlink socket: in its namespace, without
    /// privilege, and unlike the question for the index of a name it never loads a module).
    pub(super) fn index(&self, socket: &Socket, name: &str) -> Option<u32> {
        let index = {
            let names = lock(&self.0);
            names.get(place(&names, name).ok()?)?.1
        };
        if socket.device_has_name(index, name) {
            return Some(index);
        }
        let mut names = lock(&self.0);
        if let Ok(at) = place(&names, name) {
            names.remove(at);
        }
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
        match place(&names, name) {
            Ok(at) => {
                if let Some((_, known)) = names.get_mut(at) {
                    *known = index;
                }
            }
            Err(at) => names.insert(at, (name.into(), index)),
        }
    }
}

fn place(names: &[(Box<str>, u32)], name: &str) -> Result<usize, usize> {
    names.binary_search_by(|(known, _)| (**known).cmp(name))
}
