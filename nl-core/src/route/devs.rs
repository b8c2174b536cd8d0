use super::encap::RawEncap;
use crate::addr::Dev;
use crate::connection::Connection;
use crate::error::{Error, Result};

/// Devices that a caller named, by the indexes they were found at.
#[derive(Default)]
pub(crate) struct Devs(Vec<(u32, Dev)>);

impl Devs {
    /// The index of a device. One that is not found is remembered as number 0.
    pub(crate) async fn index(&mut self, conn: &Connection, dev: &Dev) -> Result<u32> {
        let found = match conn.known_index(dev) {
            Ok(None) => conn.link_index(dev).await,
            Ok(Some(index)) => Ok(index),
            Err(error) => Err(error),
        };
        if matches!(dev, Dev::Name(_)) {
            self.0.push((found.as_ref().copied().unwrap_or(0), dev.clone()));
        }
        found
    }

    /// Puts indexes in place of the names in an encapsulation.
    pub(crate) async fn resolve(&mut self, conn: &Connection, encap: Option<&mut RawEncap>) -> Result<()> {
        let Some(encap) = encap else { return Ok(()) };
        while let Some(dev) = encap.unresolved().cloned() {
            let index = self.index(conn, &dev).await?;
            encap.resolve(&dev, index);
        }
        Ok(())
    }

    /// Puts names in place of the numbers in an error.
    pub(crate) fn name(&self, error: Error) -> Error {
        self.0.iter().fold(error, |error, (index, dev)| error.naming(*index, dev))
    }
}
