use netlink_proto::sys::TokioSocket;

use super::Connection;
use crate::error::Result;
use crate::socket::SocketSpec;

/// For netlink-proto, whose connections handle any number of requests at a time.
const RECEIVE_BUFFER: usize = 1024 * 1024;

impl Connection {
    /// This connection without strict checks, on another socket.
    pub(crate) fn lax(&self) -> Result<Self> {
        let lax = match self.shared.lax.get() {
            Some(lax) => lax,
            None => {
                let spec = SocketSpec { strict: false, ..self.shared.pool.spec().clone() };
                let socket = spec.open(RECEIVE_BUFFER)?;
                self.shared.lax.get_or_init(|| Self::over(spec, socket, None))
            }
        };
        Ok(lax.with_timeout(self.timeout))
    }

    pub(crate) fn tokio_socket(&self, strict: bool) -> Result<TokioSocket> {
        let spec = SocketSpec { strict, ..self.shared.pool.spec().clone() };
        spec.open(RECEIVE_BUFFER)?.into_tokio()
    }
}
