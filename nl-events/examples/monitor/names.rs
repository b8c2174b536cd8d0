//! Names of devices in place of their numbers.

use std::collections::HashMap;

use nl_core::link::{Link, with_names};
use nl_core::netns::Netns;
use nl_core::{Connection, Protocol};
use nl_events::report::Place;

/// The names of devices by namespace and number, as the events have reported them so far.
#[derive(Default)]
pub(crate) struct Names {
    known: HashMap<(Place, u32), String>,
}

impl Names {
    /// The devices that are there, in the named namespaces or in the current one. Of namespaces with an id nothing is known before
    /// their first event.
    pub(crate) async fn open(namespaces: &[String]) -> nl_core::Result<Self> {
        let mut names = Self::default();
        if namespaces.is_empty() {
            names.list(Connection::open(Protocol::Route)?, &Place::default()).await?;
        }
        for name in namespaces {
            let conn = Connection::builder(Protocol::Route).netns(&Netns::named(name)?).open()?;
            names.list(conn, &Place::named(name.as_str())).await?;
        }
        Ok(names)
    }

    async fn list(&mut self, conn: Connection, place: &Place) -> nl_core::Result<()> {
        for (index, name) in conn.link_names().await? {
            self.known.insert((place.clone(), index), name);
        }
        Ok(())
    }

    /// A device that is deleted keeps its name: events about what was on it come later.
    pub(crate) fn learn(&mut self, place: &Place, link: &Link) {
        self.known.insert((place.clone(), link.index), link.name.to_string());
    }

    /// The line with names where they are known: `dev #5` becomes `dev swp1`.
    pub(crate) fn name(&self, place: &Place, line: &str) -> String {
        with_names(line, |index| self.known.get(&(place.clone(), index)))
    }
}
