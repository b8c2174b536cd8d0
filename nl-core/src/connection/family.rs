use std::sync::Arc;

use super::Connection;
use crate::error::{Errno, Error, Result, Since};
use crate::genl::{Family, request};
use crate::lock;
use crate::pending::Pending;
use crate::protocol::Protocol;

impl Connection {
    /// A generic netlink family by name; the kernel loads its module if it has to. The answer is kept for the
    /// life of the connection.
    ///
    /// Equivalent: `genl ctrl get name NAME`.
    ///
    /// # Errors
    /// [`Unsupported`](crate::error::ErrorKind::Unsupported) if the running kernel has no such family; a name
    /// over 15 bytes; a connection of another protocol.
    pub fn family(&self, name: &str) -> Pending<Arc<Family>> {
        let (conn, name) = (self.clone(), name.to_owned());
        Pending::new(async move { conn.find_family(&name).await })
    }

    /// Forgets a family, after its module was loaded again under another number.
    pub fn forget_family(&self, name: &str) {
        lock(self.families()).remove(name);
    }

    async fn find_family(&self, name: &str) -> Result<Arc<Family>> {
        self.require(Protocol::Generic, "generic netlink families")?;
        let known = lock(self.families()).get(name).cloned();
        if let Some(family) = known {
            return Ok(family);
        }
        let family = self.answered(request(name)?, Family::decode).await.map_err(|error| {
            if error.kernel().is_some_and(|k| k.errno == Errno::ENOENT) {
                let operation = error.operation().unwrap_or_default().to_owned();
                return Error::unsupported(
                    format!("generic netlink family \"{name}\""),
                    Since::option("a kernel built with it, or its module"),
                )
                .during(|| operation);
            }
            error
        })?;
        let family = Arc::new(family);
        lock(self.families()).insert(name.into(), Arc::clone(&family));
        Ok(family)
    }
}
