use std::fmt;

use nl_core::IpPrefix;
use nl_core::attr::DecodeError;
use nl_core::message::MessageRef;
use nl_core::route::Route;

use super::codec::Seg6Local;

/// One local SID as it is read: a route to the SID and what is done there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Sid {
    /// The route: the SID, its table, metric, protocol and device. One over several paths has them in `nexthops`.
    pub route: Route,
    /// What is done; of a route over several paths, on the first one that does something.
    pub local: Seg6Local,
}

impl Sid {
    /// Reads an `RTM_NEWROUTE` or `RTM_DELROUTE` message; `None` for a route that is no local SID.
    ///
    /// # Errors
    /// The message is of another type or family, or malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        if !Route::is_route(message) {
            return Ok(None);
        }
        Self::of(Route::decode(message)?)
    }

    /// The local SID that a route is; `None` if it is none.
    ///
    /// # Errors
    /// Its attributes are malformed.
    pub fn of(route: Route) -> Result<Option<Self>, DecodeError> {
        if let Some(local) = route.encap::<Seg6Local>()? {
            // So that the route prints it in words.
            let route = route.with_encap(&local);
            return Ok(Some(Self { route, local }));
        }
        for hop in &route.nexthops {
            if let Some(local) = hop.encap::<Seg6Local>()? {
                return Ok(Some(Self { local, route }));
            }
        }
        Ok(None)
    }

    /// The SID.
    #[must_use]
    pub const fn prefix(&self) -> IpPrefix {
        self.route.prefix
    }
}

/// A line as `ip -6 route` prints it, with `#5` in place of the name of interface 5.
impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.route, f)
    }
}
