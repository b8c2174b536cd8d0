//! Events of one or several namespaces, each with where it happened and who caused it.
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use nl_core::netns::Netns;
//! use nl_events::Source;
//! use nl_events::report::Reports;
//!
//! # #[cfg(not(feature = "link"))]
//! # async fn example() {}
//! # #[cfg(feature = "link")]
//! # async fn example() -> nl_core::Result<()> {
//! let (blue, red) = (Netns::named("blue")?, Netns::named("red")?);
//! let mut reports =
//!     Reports::builder().source(Source::LINK).namespace("blue", &blue).namespace("red", &red).open()?;
//! while let Some(report) = reports.next().await {
//!     match report.outcome {
//!         Ok(event) => println!("{} {:?} {event:?}", report.place, report.cause),
//!         Err(error) if error.is_overrun() => eprintln!("{} events were lost", report.place),
//!         Err(error) => eprintln!("{} {error}", report.place),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Under feature `blocking`, `for report in &mut reports` waits without a runtime.
//!
//! # Namespaces
//! A stream follows the namespaces that it is [given](ReportsBuilder::namespace), each over sockets of its own, or
//! [all that have an id](ReportsBuilder::all_namespaces) in one namespace, over the sockets of that one. Every report has its
//! [`Place`]. Interface indexes mean something only together with it. The events of one place and one protocol are in the kernel's
//! order; those of different places have no order among them.
//!
//! A namespace that `ip netns add` makes has no id until somebody gives it one (`ip netns set`, `nl_core::nsid::Nsids::assign`), or a
//! device in it has its other end here. Without an id its events do not arrive. A stream that is given namespaces does not follow the
//! calling thread's unless that is given too:
//! ```no_run
//! # #[cfg(feature = "fdb")]
//! # fn example() -> nl_core::Result<()> {
//! use nl_core::netns::Netns;
//! use nl_events::Source;
//! use nl_events::report::Reports;
//!
//! let reports = Reports::builder()
//!     .source(Source::FDB)
//!     .namespace("current", &Netns::current()?)
//!     .namespace("blue", &Netns::named("blue")?)
//!     .open()?;
//! # Ok(())
//! # }
//! ```
//!
//! Only streams cover all namespaces: the kernel lists most tables in one's own namespace alone, so a watch or a store takes a
//! connection in its namespace.
//!
//! # Who caused an event
//! Some events carry the port and the sequence number of the request that caused them ([`Cause`]). A port names a socket only within
//! its namespace and protocol; [`not_from`](ReportsBuilder::not_from) compares all three.
//!
//! | events | what is known |
//! |---|---|
//! | `Tc` | port and sequence number, also of somebody who only reads one object |
//! | `Route`, `Rule`, `Nexthop` | port and sequence number |
//! | `Address` of IPv4, `Namespace` | port and sequence number |
//! | `Neighbour` | the port; the sequence number is 0 |
//! | `Link` | port and sequence number of what makes or deletes a device, on newer kernels; nothing of a change |
//! | `Address` of IPv6, `Fdb`, `Mdb`, `Port`, `Vlan`, `Vni` | nothing |
//! | `Macsec` | as `Link` |
//! | `Family`, `Mptcp` | nothing |
//! | `Raw` | depends on the group |
//!
//! What follows from a change by itself, such as routes that vanish with their device, is nobody's.
//!
//! # Loss
//! An overrun is a report with its place ([`is_overrun`](nl_core::Error::is_overrun)), and never ends the stream. A socket that fails
//! is reported, and the others go on; the stream ends with the last one.

mod stream;

use std::fmt;

use nl_core::Error;
use nl_core::addr::Name;
use nl_core::message::MessageRef;

#[cfg(feature = "blocking")]
pub use stream::Waiting;
pub use stream::{Reports, ReportsBuilder};

use crate::event::NetworkEvent;
use crate::raw::RawEvent;

/// What happened, where, and who caused it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// Where it happened, or where events were lost.
    pub place: Place,
    /// Who caused it, where [the kernel says so](self#who-caused-an-event).
    pub cause: Option<Cause>,
    /// The kernel's message, if the stream [was asked for it](ReportsBuilder::with_messages) and there is an event.
    pub message: Option<RawEvent>,
    /// The event, or why there is none: events were lost, one could not be read, or the socket failed.
    pub outcome: Result<NetworkEvent, Error>,
}

/// As the fields `namespace`, `nsid`, `cause`, the [`label`](NetworkEvent::label) of the event, and the `event` itself. Without an event
/// the label is `LOST` or `ERROR`, and `error` has the words. The `message` is there if the stream was asked for it.
///
/// ```no_run
/// # async fn example(mut reports: nl_events::report::Reports) -> Result<(), Box<dyn std::error::Error>> {
/// use futures_util::StreamExt;
///
/// while let Some(report) = reports.next().await {
///     // {"namespace":"blue","nsid":null,"cause":null,"label":"LINK","event":{"Link":{"New":{"index":5,…}}}}
///     println!("{}", serde_json::to_string(&report)?);
/// }
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "serde")]
impl serde::Serialize for Report {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;

        let mut fields = serializer.serialize_struct("Report", 5 + usize::from(self.message.is_some()))?;
        fields.serialize_field("namespace", &self.place.name)?;
        fields.serialize_field("nsid", &self.place.nsid)?;
        fields.serialize_field("cause", &self.cause)?;
        match &self.outcome {
            Ok(event) => {
                fields.serialize_field("label", event.label())?;
                fields.serialize_field("event", event)?;
            }
            Err(error) => {
                fields.serialize_field("label", if error.is_overrun() { "LOST" } else { "ERROR" })?;
                fields.serialize_field("error", &error.to_string())?;
            }
        }
        if let Some(message) = &self.message {
            fields.serialize_field("message", message)?;
        }
        fields.end()
    }
}

/// Where an event happened.
///
/// Equal for events of the same namespace in the same stream, as long as the id is not given to another namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Place {
    /// The name under which the stream was [given](ReportsBuilder::namespace) the namespace; `None` if it was given none.
    pub name: Option<Name>,
    /// The id of another namespace, in the table of that one. `None` for that one itself.
    pub nsid: Option<u32>,
}

impl Place {
    /// The namespace that a stream is [given](ReportsBuilder::namespace) under this name.
    #[must_use]
    pub fn named(name: impl Into<Name>) -> Self {
        Self { name: Some(name.into()), nsid: None }
    }
}

/// `[nsid 7]` as `ip monitor all-nsid` prints it, `[blue]`, `[blue nsid 7]`; `[nsid current]` for the stream's own namespace.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.nsid) {
            (None, None) => f.write_str("[nsid current]"),
            (None, Some(id)) => write!(f, "[nsid {id}]"),
            (Some(name), None) => write!(f, "[{}]", name.as_str()),
            (Some(name), Some(id)) => write!(f, "[{} nsid {id}]", name.as_str()),
        }
    }
}

/// Who caused an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Cause {
    /// The port of the socket that made the request.
    pub port: u32,
    /// The sequence number of the request; 0 where the kernel does not say it.
    pub seq: u32,
}

impl Cause {
    /// Who caused the event in this message; `None` if the kernel does not say so.
    #[must_use]
    pub fn of(message: MessageRef<'_>) -> Option<Self> {
        Some(Self { port: message.port(), seq: message.seq() }).filter(|cause| cause.port != 0)
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use nl_core::error::ErrorKind;
    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn report_is_serialized_with_its_label_or_its_error() {
        let raw = RawEvent::from(MessageRef::from_parts(80, 0, &[2, 0, 0, 0]));
        let mut report = Report {
            place: Place { name: Some("blue".into()), nsid: Some(7) },
            cause: Some(Cause { port: 9, seq: 1 }),
            message: None,
            outcome: Ok(NetworkEvent::Raw(raw.clone())),
        };
        let event = json!({ "Raw": { "kind": 80, "flags": 0, "payload": [2, 0, 0, 0] } });
        let mut expected = json!({
            "namespace": "blue", "nsid": 7, "cause": { "port": 9, "seq": 1 }, "label": "RAW", "event": event,
        });
        assert_eq!(to_value(&report).unwrap(), expected);
        report.message = Some(raw);
        expected["message"] = event["Raw"].clone();
        assert_eq!(to_value(&report).unwrap(), expected);

        (report.place, report.cause, report.message) = (Place::default(), None, None);
        for (error, label) in [(Error::new(ErrorKind::Overrun), "LOST"), (Error::usage("no"), "ERROR")] {
            let words = error.to_string();
            report.outcome = Err(error);
            let expected =
                json!({ "namespace": null, "nsid": null, "cause": null, "label": label, "error": words });
            assert_eq!(to_value(&report).unwrap(), expected);
        }
    }
}
