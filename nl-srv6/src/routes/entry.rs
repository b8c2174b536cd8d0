use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use nl_core::attr::DecodeError;
use nl_core::message::MessageRef;
use nl_core::route::{RawEncap, Route};
use nl_core::{Dev, IpPrefix};

use crate::encap::{SEG6_KIND, Seg6};

/// One route of which a path has segments, as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SegmentRoute {
    /// The route; one over several paths has them in `nexthops`.
    pub route: Route,
    /// The segments of each path that has some, in the order of the paths.
    pub paths: Vec<Seg6>,
}

/// One path of a route.
pub(super) struct Path {
    pub(super) gateway: Option<IpAddr>,
    pub(super) oif: Option<u32>,
    pub(super) seg6: Option<Seg6>,
}

impl SegmentRoute {
    /// Reads an `RTM_NEWROUTE` or `RTM_DELROUTE` message; `None` for a route without segments.
    ///
    /// # Errors
    /// The message is of another type or family, or malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        let mut found = Self::blank();
        Ok(found.read(message)?.then_some(found))
    }

    /// The segments of a route; `None` if it has none.
    ///
    /// # Errors
    /// Its attributes are malformed.
    pub fn of(route: Route) -> Result<Option<Self>, DecodeError> {
        let mut found = Self { route, paths: Vec::new() };
        Ok(found.find_paths()?.then_some(found))
    }

    /// Before its message is read.
    pub(super) const fn blank() -> Self {
        let any = IpPrefix::host(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Self { route: Route::new(any), paths: Vec::new() }
    }

    /// Reads a message in the place of what it was before, and returns whether there are segments.
    pub(super) fn read(&mut self, message: MessageRef<'_>) -> Result<bool, DecodeError> {
        if !Route::is_route(message) {
            return Ok(false);
        }
        self.route.read(message)?;
        self.find_paths()
    }

    fn find_paths(&mut self) -> Result<bool, DecodeError> {
        let mut count = 0;
        if self.route.nexthops.is_empty() {
            if read_path(&mut self.paths, &mut count, self.route.raw_encap())? {
                self.route.word_encap::<Seg6>();
            }
        } else {
            for hop in &mut self.route.nexthops {
                if read_path(&mut self.paths, &mut count, hop.raw_encap())? {
                    hop.word_encap::<Seg6>();
                }
            }
        }
        self.paths.truncate(count);
        Ok(count != 0)
    }
}

/// Reads the segments of a path, if it has some, in the place of those that an entry before had there.
fn read_path(
    paths: &mut Vec<Seg6>,
    count: &mut usize,
    encap: Option<&RawEncap>,
) -> Result<bool, DecodeError> {
    let Some(encap) = encap.filter(|encap| encap.kind() == SEG6_KIND) else { return Ok(false) };
    if *count == paths.len() {
        if paths.capacity() == 0 {
            // Most routes have one path.
            *paths = Vec::with_capacity(1);
        }
        paths.push(Seg6::blank());
    }
    if let Some(path) = paths.get_mut(*count) {
        path.read(encap.attrs())?;
    }
    *count += 1;
    Ok(true)
}

/// A route that prints its segments in words, and its paths.
pub(super) fn taken_apart(mut route: Route) -> Result<(Route, Vec<Path>), DecodeError> {
    let mut paths = Vec::new();
    for hop in &mut route.nexthops {
        let seg6 = hop.encap::<Seg6>()?;
        hop.word_encap::<Seg6>();
        paths.push(Path { gateway: hop.gateway, oif: hop.dev.as_ref().and_then(Dev::index), seg6 });
    }
    if paths.is_empty() {
        let seg6 = route.encap::<Seg6>()?;
        route.word_encap::<Seg6>();
        paths.push(Path { gateway: route.gateway, oif: route.oif, seg6 });
    }
    Ok((route, paths))
}

/// A line as `ip route` prints it, with `#5` in place of the name of interface 5.
impl fmt::Display for SegmentRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.route, f)
    }
}
