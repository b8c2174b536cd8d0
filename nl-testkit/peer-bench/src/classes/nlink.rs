//! nlink 0.33, which has no batch for classes.

use ::nlink::netlink::tc::{HfscClassConfig, HtbClassConfig};
use ::nlink::netlink::{Connection, Route};
use ::nlink::{Rate, TcHandle};

use super::{CEILING, Class, IFINDEX, Kind, MAJOR, Tally};
use crate::measure::{Cost, Stopwatch};
use crate::netlink::attributes;
use crate::{Result, runtime};

pub(super) fn create(kind: Kind, classes: &[Class]) -> Result<Cost> {
    runtime()?.block_on(async {
        let connection = Connection::<Route>::new()?;
        let watch = Stopwatch::start()?;
        for class in classes {
            let (parent, handle) = place(class);
            match kind {
                Kind::Htb => connection.add_class_by_index(IFINDEX, parent, handle, htb(class)).await?,
                Kind::Hfsc => connection.add_class_by_index(IFINDEX, parent, handle, hfsc(class)).await?,
            }
        }
        watch.stop()
    })
}

pub(super) fn change(kind: Kind, classes: &[Class]) -> Result<Cost> {
    runtime()?.block_on(async {
        let connection = Connection::<Route>::new()?;
        let watch = Stopwatch::start()?;
        for class in classes {
            let (parent, handle) = place(class);
            match kind {
                Kind::Htb => connection.change_class_by_index(IFINDEX, parent, handle, htb(class)).await?,
                Kind::Hfsc => connection.change_class_by_index(IFINDEX, parent, handle, hfsc(class)).await?,
            }
        }
        watch.stop()
    })
}

pub(super) fn delete(_: Kind, classes: &[Class]) -> Result<Cost> {
    runtime()?.block_on(async {
        let connection = Connection::<Route>::new()?;
        let watch = Stopwatch::start()?;
        for class in classes {
            let (parent, handle) = place(class);
            connection.del_class_by_index(IFINDEX, parent, handle).await?;
        }
        watch.stop()
    })
}

/// Collects, and leaves the options of classes to the caller.
pub(super) fn list(kind: Kind) -> Result<(Cost, Tally)> {
    let (wanted, place) = if kind == Kind::Htb { (1, 8) } else { (2, 8) };
    runtime()?.block_on(async {
        let connection = Connection::<Route>::new()?;
        let watch = Stopwatch::start()?;
        let classes = connection.get_classes_by_index(IFINDEX).await?;
        let mut tally = Tally::default();
        for class in &classes {
            let rate = attributes(class.raw_options().unwrap_or_default())
                .find(|(kind, _)| *kind == wanted)
                .and_then(|(_, value)| value.get(place..)?.first_chunk());
            let rate = rate.map_or(0, |rate| u32::from_ne_bytes(*rate));
            tally.add(u16::try_from(class.handle_raw() & 0xffff)?, u64::from(rate) / 125);
        }
        Ok((watch.stop()?, tally))
    })
}

fn place(class: &Class) -> (TcHandle, TcHandle) {
    (TcHandle::major_only(MAJOR), TcHandle::new(MAJOR, class.minor))
}

fn htb(class: &Class) -> HtbClassConfig {
    HtbClassConfig::new(Rate::kbit(class.rate.into())).ceil(Rate::kbit(CEILING.into()))
}

fn hfsc(class: &Class) -> HfscClassConfig {
    let rate = Rate::kbit(class.rate.into());
    HfscClassConfig::new().rt_rate(rate).ls_rate(rate)
}
