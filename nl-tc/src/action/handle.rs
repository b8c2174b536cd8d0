use nl_core::connection::Named;
use nl_core::dump::Dump;
use nl_core::error::Ack;
use nl_core::{Connection, Error, Pending, Request, Result};

use super::codec::Action;
use super::message::{flush_request, list_request};
use crate::lookup::{not_found, on_route};
use crate::{TcVerb, module};

/// An action that filters share, to be added, replaced, deleted or read. The verb comes last.
#[derive(Clone, Debug)]
#[must_use = "an entry does nothing without a verb"]
pub struct ActionEntry {
    conn: Connection,
    action: Action,
}

impl ActionEntry {
    pub(crate) fn new(conn: Connection, action: Action) -> Self {
        Self { conn, action }
    }

    /// Adds the action. Without an [index](Action::index), the kernel chooses one.
    ///
    /// Equivalent: `tc actions add`. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// - `EEXIST` ([`is_exists`](Error::is_exists)): the index is that of an action.
    /// - `ENODEV` ([`is_not_found`](Error::is_not_found)): a device does not exist.
    /// - Bad input, before the kernel is asked.
    pub fn add(self) -> Pending<Ack> {
        Pending::new(self.send(TcVerb::Add))
    }

    /// Adds the action, or changes the one with its index. The filters that share it keep it.
    ///
    /// Equivalent: `tc actions replace`. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// As [`add`](Self::add) without `EEXIST`.
    pub fn replace(self) -> Pending<Ack> {
        Pending::new(self.send(TcVerb::Replace))
    }

    /// Deletes the action, of which the kind and the [index](Action::index) are used.
    ///
    /// Equivalent: `tc actions delete action KIND index INDEX`. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// - `ENOENT` ([`is_not_found`](Error::is_not_found)): there is no such action.
    /// - `EPERM`: a filter uses it.
    pub fn delete(self) -> Pending<Ack> {
        Pending::new(self.send(TcVerb::Delete))
    }

    /// Reads the action with its statistics, by the kind and the [index](Action::index).
    ///
    /// Equivalent: `tc -s actions get action KIND index INDEX`. Needs no privilege.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)): there is no such action.
    pub fn get(self) -> Pending<Action> {
        let Self { conn, action } = self;
        Pending::new(async move {
            let describe = |error: Error| error.during(|| format!("get {action}"));
            on_route(&conn).map_err(describe)?;
            let found = conn.answered(action.get_request(), Action::decode_message).await?;
            found.into_iter().next().ok_or_else(not_found).map_err(describe)
        })
    }

    async fn send(mut self, verb: TcVerb) -> Result<Ack> {
        let resolved = match on_route(&self.conn) {
            Ok(()) => resolve(&self.conn, std::slice::from_mut(&mut self.action)).await,
            Err(error) => Err((error, Named::default())),
        };
        let (outcome, named) = match resolved {
            Ok(named) => (module::acknowledged(&self.conn, || self.action.request(verb)).await, named),
            Err((error, named)) => (Err(error), named),
        };
        outcome.map_err(|error| named.explain(error.during(|| format!("{verb} {}", self.action))))
    }
}

/// Puts indexes in place of the names of devices in actions.
pub(crate) async fn resolve(conn: &Connection, actions: &mut [Action]) -> Result<Named, (Error, Named)> {
    conn.resolve(actions.iter_mut().filter_map(Action::dev_mut).collect()).await
}

/// The actions of a kind. The verb comes last.
#[derive(Clone, Debug)]
#[must_use = "an entry does nothing without a verb"]
pub struct Actions {
    conn: Connection,
    kind: String,
}

impl Actions {
    pub(crate) fn new(conn: Connection, kind: String) -> Self {
        Self { conn, kind }
    }

    /// Lists the actions with their statistics: a stream in constant memory. Those of filters are listed too. The list of a kind
    /// that the kernel does not have is empty.
    ///
    /// Equivalent: `tc -s actions list action KIND`. Needs no privilege.
    ///
    /// # Errors
    /// The connection is of another protocol.
    pub fn list(self) -> Pending<Dump<Action>> {
        Pending::new(async move {
            on_route(&self.conn).map_err(|error| list_request(&self.kind).not_sent(error))?;
            Ok(self.conn.dump_each(list_request(&self.kind), |message, out| {
                out.extend(Action::decode_message(message)?);
                Ok(())
            }))
        })
    }

    /// Deletes the actions that no filter uses.
    ///
    /// Equivalent: `tc actions flush action KIND`. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// The kernel does not have the kind.
    pub fn flush(self) -> Pending<Ack> {
        let request: Request = flush_request(&self.kind);
        Pending::new(async move {
            on_route(&self.conn).map_err(|error| request.not_sent(error))?;
            self.conn.acknowledged(request).await
        })
    }
}
