use std::time::Duration;

use super::machine::Event;
use super::table::Entry;
use crate::attr::DecodeError;
use crate::error::Error;
use crate::message::MessageRef;
use crate::monitor::MessageFilter;
use crate::protocol::Protocol;
use crate::request::Request;

/// Where the entries of a table come from; [an example](crate::watch).
///
/// A source says what is requested and how messages are read. The watch does the rest.
pub trait Source: Clone + Send + 'static {
    /// An entry of the table.
    type Entry: Entry;

    /// The protocol that lists the table and sends its events.
    const PROTOCOL: Protocol;

    /// What the entries are called in errors, in the plural: `FDB entries`.
    const ENTRIES: &'static str;

    /// The numbers of the multicast groups that report every change of the table.
    fn groups(&self) -> Vec<u32>;

    /// The messages of the groups that mean something for the table, so that the kernel can leave out the others; `None` for all.
    ///
    /// What is left out takes no room in the receive buffer. It must accept every message of which
    /// [`decode_event`](Self::decode_event) makes an event.
    fn filter(&self) -> Option<MessageFilter> {
        None
    }

    /// What a message of the groups means for the table; `None` if nothing.
    ///
    /// # Errors
    /// The message is malformed. The watch yields the error and lists the table again.
    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<Self::Entry>>, DecodeError>;

    /// A request that the kernel answers only after it has finished what its last event is about; `None` if its events come last.
    ///
    /// It is sent before the table is listed. The kernel reports for example that a device goes down, and then removes the device's
    /// routes; a list that is read meanwhile still has them. [`settled`](Self::settled) takes the answer.
    fn barrier(&self) -> Option<Request> {
        None
    }

    /// Takes the answer to the [`barrier`](Self::barrier), or the kernel's refusal to answer. By default it does not matter.
    ///
    /// A source that watches a part of the table can ask about the device that the part belongs to, so that it knows before each
    /// list whether the device still exists.
    fn settled(&self, answer: Result<MessageRef<'_>, &Error>) {
        let _ = answer;
    }

    /// How long after an event the kernel still removes from its list what the event was about. By default it does so at once.
    ///
    /// So long a watch waits before each list. A list that is read while the kernel removes something can lack entries that exist,
    /// and nothing would say so.
    const SETTLING: Duration = Duration::ZERO;

    /// The request that lists the table.
    fn list(&self) -> Request;

    /// Reads an entry of the list; `None` if it is not one of those that are watched.
    ///
    /// # Errors
    /// The message is malformed. The watch yields the error and lists the table again.
    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<Self::Entry>, DecodeError>;

    /// Reads the entries of one message of the list, for tables whose messages hold several. By default it is the one that
    /// [`decode_entry`](Self::decode_entry) reads.
    ///
    /// # Errors
    /// As [`decode_entry`](Self::decode_entry).
    fn decode_entries(
        &self,
        message: MessageRef<'_>,
        entries: &mut Vec<Self::Entry>,
    ) -> Result<(), DecodeError> {
        entries.extend(self.decode_entry(message)?);
        Ok(())
    }

    /// Whether a message of the list can hold several entries, which [`decode_entries`](Self::decode_entries) reads.
    const LISTS_SEVERAL: bool = false;

    /// The request for the current state of an entry that a list lacks.
    ///
    /// `None` if the kernel cannot be asked for one entry. Then the list is trusted, unless it was read while entries were
    /// deleted or events were lost.
    fn question(&self, entry: &Self::Entry) -> Option<Request>;

    /// Reads the answer to a [`question`](Self::question); `None` if the entry is no longer one of those that are watched.
    ///
    /// The kernel may find an entry by a part of its key. An entry of another key means that the one that was asked for does not
    /// exist, or that it is one of several that the kernel has under this part.
    ///
    /// # Errors
    /// The message is malformed. The watch yields the error and lists the table again.
    fn decode_answer(&self, message: MessageRef<'_>) -> Result<Option<Self::Entry>, DecodeError> {
        self.decode_entry(message)
    }

    /// Whether the kernel's refusal of a [`question`](Self::question) means that the entry does not exist. By default this is what
    /// [`Error::is_not_found`] says.
    fn is_absent_entry(&self, refusal: &Error) -> bool {
        refusal.is_not_found()
    }

    /// Whether the kernel's refusal of the [`list`](Self::list) means that the table does not exist, which makes it empty. By
    /// default no refusal does.
    fn is_absent_table(&self, refusal: &Error) -> bool {
        let _ = refusal;
        false
    }
}
