//! The list of devices, made sure to be complete.

use std::fmt;

use nl_core::addr::Name;
use nl_core::error::{Errno, ErrorKind, KernelError};
use nl_core::link::{Link, Links};
use nl_core::{Dev, Error, Result};

use super::codec::Secy;
use crate::channel::Channel;

/// How often a list that lacks devices is read again. The first time may have been on a new socket, for which the kernel has small
/// buffers, and so may be the second, if other lists are read meanwhile.
const TRIES: usize = 4;

/// The devices that could be read, and those that the kernel left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Listing {
    /// The devices.
    pub secys: Vec<Secy>,
    /// Devices that exist and that the kernel did not report.
    pub missing: Vec<MissingSecy>,
}

impl Listing {
    /// The devices, if none is missing.
    ///
    /// # Errors
    /// `EMSGSIZE`, with the missing devices by name.
    pub fn into_result(self) -> Result<Vec<Secy>> {
        if self.missing.is_empty() { Ok(self.secys) } else { Err(too_long(&self.missing)) }
    }
}

/// A MACsec device that the kernel left out of its list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MissingSecy {
    /// The device.
    pub index: u32,
    /// Its name.
    pub name: Name,
}

impl fmt::Display for MissingSecy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// All devices.
pub(crate) async fn read_all(channel: &Channel) -> Result<Listing> {
    let mut listing = Listing::default();
    let mut known = devices(channel).await?;
    for _ in 0..TRIES {
        let family = channel.family().await.map_err(|error| Secy::list_request(0).not_sent(error))?;
        let dump =
            channel.connection().dump_matching(Secy::list_request(family), Secy::decode, |_: &Secy| true);
        listing.secys = dump.collect_all().await?;
        listing.missing = missing(&known, &listing.secys);
        if listing.missing.is_empty() {
            break;
        }
        // Those that were deleted meanwhile are not missing.
        let now = devices(channel).await?;
        known.retain(|device| now.iter().any(|other| other.index == device.index));
        listing.missing = missing(&known, &listing.secys);
        if listing.missing.is_empty() {
            break;
        }
    }
    Ok(listing)
}

/// One device.
pub(crate) async fn read_one(channel: &Channel, dev: &Dev) -> Result<Secy> {
    dev.check()?;
    let (link, _) = channel.device(channel.route()?, dev).await?;
    let listing = read_all(channel).await?;
    match listing.secys.into_iter().find(|secy| secy.index == link.index) {
        Some(secy) => Ok(secy),
        None if listing.missing.iter().any(|missing| missing.index == link.index) => {
            Err(too_long(&listing.missing))
        }
        None => Err(crate::channel::not_found()),
    }
}

async fn devices(channel: &Channel) -> Result<Vec<Link>> {
    let links = Links::new(channel.route()?.clone());
    links.devices().kind("macsec").list().await?.collect_all().await
}

fn missing(known: &[Link], read: &[Secy]) -> Vec<MissingSecy> {
    known
        .iter()
        .filter(|device| read.iter().all(|secy| secy.index != device.index))
        .map(|device| MissingSecy { index: device.index, name: device.name.clone() })
        .collect()
}

fn too_long(missing: &[MissingSecy]) -> Error {
    let names: Vec<_> = missing.iter().map(|device| device.name.as_str()).collect();
    Error::from(ErrorKind::Kernel(KernelError::new(Errno::EMSGSIZE)))
        .during(|| "list macsec devices".into())
        .hinted(format!(
            "the kernel left out {} without an error: the state of one of them does not fit its buffer of 32 KiB, \
             which holds about 61 channels of four associations",
            names.join(", ")
        ))
}
