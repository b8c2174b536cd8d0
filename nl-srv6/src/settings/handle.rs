use std::str::FromStr;

use nl_core::error::{Error, Result, Since};
use nl_core::netns::Netns;
use nl_core::sysctl::Sysctl;
use nl_core::{Connection, Dev};

use super::types::{FlowLabel, RequireHmac};

/// The settings of one namespace. Cheap to clone.
///
/// Interfaces are given by name, or as `all` and `default` (for interfaces that are made later).
///
/// ```no_run
/// use nl_srv6::settings::{FlowLabel, Settings};
///
/// # fn example() -> nl_core::Result<()> {
/// // sysctl net.ipv6.seg6_flowlabel=1
/// Settings::current().set_flow_label(FlowLabel::Hash)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Settings {
    sysctl: Sysctl,
}

impl Settings {
    /// Those of the connection's namespace.
    ///
    /// # Errors
    /// As [`Connection::netns`].
    pub fn new(conn: &Connection) -> Result<Self> {
        Ok(Self { sysctl: Sysctl::new(conn)? })
    }

    /// Those of this namespace.
    #[must_use]
    pub fn of(netns: &Netns) -> Self {
        Self { sysctl: Sysctl::of(netns) }
    }

    /// Those of the calling thread's namespace, whichever that is at each call.
    #[must_use]
    pub fn current() -> Self {
        Self { sysctl: Sysctl::current() }
    }

    /// Whether headers in packets to an address of this host are processed, as set for one interface or `all`
    /// (`net.ipv6.conf.INTERFACE.seg6_enabled`). Both must be set; see [`is_effective`](Self::is_effective).
    ///
    /// # Errors
    /// No such interface; [`Unsupported`](nl_core::error::ErrorKind::Unsupported) without IPv6.
    pub fn enabled(&self, interface: &str) -> Result<bool> {
        Ok(self.read::<i32>(&conf(interface, "seg6_enabled")?)? != 0)
    }

    /// Sets [`enabled`](Self::enabled). Setting `all` does not set the interfaces.
    ///
    /// # Errors
    /// As [`enabled`](Self::enabled); `EACCES` ([`is_permission`](Error::is_permission)).
    pub fn set_enabled(&self, interface: &str, yes: bool) -> Result<()> {
        self.sysctl.write(&conf(interface, "seg6_enabled")?, i32::from(yes))
    }

    /// Whether headers in packets through this interface are processed: it and `all` are enabled.
    ///
    /// # Errors
    /// As [`enabled`](Self::enabled).
    pub fn is_effective(&self, interface: &str) -> Result<bool> {
        Ok(self.enabled("all")? && self.enabled(interface)?)
    }

    /// Which packets through this interface need an HMAC (`net.ipv6.conf.INTERFACE.seg6_require_hmac`). `all` has no effect.
    ///
    /// # Errors
    /// No such interface; [`Unsupported`](nl_core::error::ErrorKind::Unsupported) without `CONFIG_IPV6_SEG6_HMAC`.
    pub fn require_hmac(&self, interface: &str) -> Result<RequireHmac> {
        self.read::<i32>(&conf(interface, "seg6_require_hmac")?).map(Into::into)
    }

    /// Sets [`require_hmac`](Self::require_hmac).
    ///
    /// # Errors
    /// As [`require_hmac`](Self::require_hmac); a number that has no meaning, or `all`, which has no effect; `EACCES`
    /// ([`is_permission`](Error::is_permission)).
    pub fn set_require_hmac(&self, interface: &str, require: RequireHmac) -> Result<()> {
        let name = conf(interface, "seg6_require_hmac")?;
        let why = match require {
            RequireHmac::Other(number) => Some(format!("seg6_require_hmac {number}; -1 to 1 are possible")),
            _ if interface == "all" => {
                Some("seg6_require_hmac of all, which has no effect; set the interfaces".into())
            }
            _ => None,
        };
        match why {
            Some(why) => Err(Error::usage(why).during(|| format!("write {require} to {name}"))),
            None => self.sysctl.write(&name, require),
        }
    }

    /// The flow label of outer headers (`net.ipv6.seg6_flowlabel`).
    ///
    /// # Errors
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported) without IPv6.
    pub fn flow_label(&self) -> Result<FlowLabel> {
        self.read::<i32>(FLOW_LABEL).map(Into::into)
    }

    /// Sets [`flow_label`](Self::flow_label).
    ///
    /// # Errors
    /// A number that has no meaning; `EACCES` ([`is_permission`](Error::is_permission)).
    pub fn set_flow_label(&self, label: FlowLabel) -> Result<()> {
        if let FlowLabel::Other(number) = label {
            let error = Error::usage(format!("seg6_flowlabel {number}; -1 to 1 are possible"));
            return Err(error.during(|| format!("write {number} to {FLOW_LABEL}")));
        }
        self.sysctl.write(FLOW_LABEL, label)
    }

    /// Whether IPv6 packets are forwarded (`net.ipv6.conf.INTERFACE.forwarding`); `all` decides for every interface.
    ///
    /// # Errors
    /// No such interface; [`Unsupported`](nl_core::error::ErrorKind::Unsupported) without IPv6.
    pub fn forwarding(&self, interface: &str) -> Result<bool> {
        Ok(self.read::<i32>(&conf(interface, "forwarding")?)? != 0)
    }

    /// Sets [`forwarding`](Self::forwarding). Setting `all` sets the interfaces too.
    ///
    /// # Errors
    /// As [`forwarding`](Self::forwarding); `EACCES` ([`is_permission`](Error::is_permission)).
    pub fn set_forwarding(&self, interface: &str, yes: bool) -> Result<()> {
        self.sysctl.write(&conf(interface, "forwarding")?, i32::from(yes))
    }

    /// Whether no two VRFs may have one table (`net.vrf.strict_mode`). `End.DT4`, `End.DT46`, and `End.DT6` with the table of a VRF need it.
    ///
    /// # Errors
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported) while the module `vrf` is not loaded: making a VRF loads it.
    pub fn vrf_strict_mode(&self) -> Result<bool> {
        Ok(self.read::<i32>(STRICT_MODE)? != 0)
    }

    /// Sets [`vrf_strict_mode`](Self::vrf_strict_mode).
    ///
    /// # Errors
    /// `EBUSY` ([`is_busy`](Error::is_busy)) while two VRFs have one table; as [`vrf_strict_mode`](Self::vrf_strict_mode); `EACCES`
    /// ([`is_permission`](Error::is_permission)).
    pub fn set_vrf_strict_mode(&self, yes: bool) -> Result<()> {
        // Says what is missing where there is no such switch.
        self.vrf_strict_mode()?;
        self.sysctl.write(STRICT_MODE, i32::from(yes))
    }

    fn read<T: FromStr>(&self, name: &str) -> Result<T> {
        self.sysctl.number(name)?.ok_or_else(|| missing(name).during(|| format!("read {name}")))
    }
}

const FLOW_LABEL: &str = "net.ipv6.seg6_flowlabel";
const STRICT_MODE: &str = "net.vrf.strict_mode";

/// The switch of an interface, as a path: a name may have dots.
fn conf(interface: &str, name: &str) -> Result<String> {
    Dev::from(interface).check()?;
    Ok(format!("net/ipv6/conf/{interface}/{name}"))
}

fn missing(name: &str) -> Error {
    let since = match name {
        STRICT_MODE => Since::linux(5, 9).with("the module vrf, which making a VRF loads"),
        _ if name.ends_with("seg6_require_hmac") => Since::option("the interface, and CONFIG_IPV6_SEG6_HMAC"),
        _ => Since::option("the interface, and IPv6"),
    };
    Error::unsupported(format!("the switch {name}"), since)
}
