//! This project's `nl-tc`.

use futures_util::TryStreamExt as _;
use nl_core::{Connection, Protocol};
use nl_tc::class::ClassConfig;
use nl_tc::hfsc::HfscClassConfig;
use nl_tc::htb::HtbClassConfig;
use nl_tc::{Rate, Tc, TcHandle, TcVerb};

use super::{CEILING, Class, IFINDEX, Kind, MAJOR, Tally};
use crate::measure::{Cost, Stopwatch};
use crate::{Result, runtime};

pub(super) fn create(kind: Kind, classes: &[Class]) -> Result<Cost> {
    batch(kind, TcVerb::Add, classes)
}

pub(super) fn change(kind: Kind, classes: &[Class]) -> Result<Cost> {
    batch(kind, TcVerb::Change, classes)
}

pub(super) fn delete(_: Kind, classes: &[Class]) -> Result<Cost> {
    runtime()?.block_on(async {
        let tc = Tc::new(Connection::open(Protocol::Route)?);
        let classes = classes.to_vec();
        let watch = Stopwatch::start()?;
        let classes = classes.into_iter().map(|class| nl_tc::class::Class::at(IFINDEX, handle(&class)));
        tc.batch(classes.map(|class| (TcVerb::Delete, class))).summarize(1).await?.into_result()?;
        watch.stop()
    })
}

pub(super) fn create_one_by_one(kind: Kind, classes: &[Class]) -> Result<Cost> {
    runtime()?.block_on(async {
        let tc = Tc::new(Connection::open(Protocol::Route)?);
        let watch = Stopwatch::start()?;
        for class in classes {
            let entry = tc.class(IFINDEX, handle(class)).parent(TcHandle::new(MAJOR, 0));
            entry.add(config(kind, class)).await?;
        }
        watch.stop()
    })
}

pub(super) fn delete_one_by_one(_: Kind, classes: &[Class]) -> Result<Cost> {
    runtime()?.block_on(async {
        let tc = Tc::new(Connection::open(Protocol::Route)?);
        let watch = Stopwatch::start()?;
        for class in classes {
            tc.class(IFINDEX, handle(class)).delete().await?;
        }
        watch.stop()
    })
}

pub(super) fn list(_: Kind) -> Result<(Cost, Tally)> {
    runtime()?.block_on(async {
        let tc = Tc::new(Connection::open(Protocol::Route)?);
        let watch = Stopwatch::start()?;
        let mut classes = tc.classes(IFINDEX).list().await?;
        let mut tally = Tally::default();
        while let Some(class) = classes.try_next().await? {
            let rate = match class.config {
                ClassConfig::Htb(config) => config.rate,
                ClassConfig::Hfsc(HfscClassConfig { link_share: Some(curve), .. }) => {
                    curve.two_pieces().map_or(Rate::ZERO, |(_, _, m2)| m2)
                }
                _ => Rate::ZERO,
            };
            tally.add(class.handle.minor(), rate.bytes_per_second() / 125);
        }
        Ok((watch.stop()?, tally))
    })
}

fn handle(class: &Class) -> TcHandle {
    TcHandle::new(MAJOR, class.minor)
}

fn config(kind: Kind, class: &Class) -> ClassConfig {
    let rate = Rate::kbit(class.rate.into());
    match kind {
        Kind::Htb => HtbClassConfig::new(rate).ceil(Rate::kbit(CEILING.into())).into(),
        Kind::Hfsc => HfscClassConfig::new().service(rate).into(),
    }
}

fn batch(kind: Kind, verb: TcVerb, classes: &[Class]) -> Result<Cost> {
    runtime()?.block_on(async {
        let tc = Tc::new(Connection::open(Protocol::Route)?);
        let classes = classes.to_vec();
        let watch = Stopwatch::start()?;
        let changes = classes.into_iter().map(move |class| {
            (verb, nl_tc::class::Class::new(IFINDEX, handle(&class), config(kind, &class)))
        });
        tc.batch(changes).summarize(1).await?.into_result()?;
        watch.stop()
    })
}
