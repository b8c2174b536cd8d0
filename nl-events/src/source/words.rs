use super::Source;

/// The sources by the words of `ip monitor`, `bridge monitor` and `tc monitor`, in an order in which each gets its events: that of MACsec
/// devices before that of all devices. Sources whose features are off are left out, and so is Multipath TCP, whose group has to be looked
/// up: `Source::mptcp`.
///
/// ```
/// # #[cfg(feature = "fdb")]
/// # fn main() -> nl_core::Result<()> {
/// use nl_events::source;
/// use nl_events::report::Reports;
///
/// // All that happens.
/// let mut builder = Reports::builder();
/// for (_, sources) in source::WORDS {
///     for source in *sources {
///         builder = builder.source(*source);
///     }
/// }
/// let reports = builder.open()?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "fdb"))]
/// # fn main() {}
/// ```
pub const WORDS: &[(&str, &[Source])] = &[
    #[cfg(feature = "address")]
    ("address", &[Source::IPV4_ADDRESS, Source::IPV6_ADDRESS]),
    #[cfg(feature = "tc")]
    ("class", &[Source::CLASS]),
    #[cfg(feature = "family")]
    ("family", &[Source::FAMILY]),
    #[cfg(feature = "fdb")]
    ("fdb", &[Source::FDB]),
    #[cfg(feature = "tc")]
    ("filter", &[Source::FILTER]),
    #[cfg(feature = "macsec")]
    ("macsec", &[Source::MACSEC]),
    #[cfg(feature = "link")]
    ("link", &[Source::LINK]),
    #[cfg(feature = "mdb")]
    ("mdb", &[Source::MDB]),
    #[cfg(feature = "neighbour")]
    ("neigh", &[Source::NEIGHBOUR]),
    #[cfg(feature = "nexthop")]
    ("nexthop", &[Source::NEXTHOP]),
    #[cfg(feature = "nsid")]
    ("nsid", &[Source::NAMESPACE]),
    #[cfg(feature = "settings")]
    ("port", &[Source::PORT]),
    #[cfg(feature = "tc")]
    ("qdisc", &[Source::QDISC]),
    #[cfg(feature = "route")]
    ("route", &[Source::IPV4_ROUTE, Source::IPV6_ROUTE]),
    #[cfg(feature = "rule")]
    ("rule", &[Source::IPV4_RULE, Source::IPV6_RULE]),
    #[cfg(feature = "vlan_db")]
    ("vlan", &[Source::VLAN]),
    #[cfg(feature = "vni")]
    ("vni", &[Source::VNI]),
];

impl Source {
    /// The sources that have this [word](WORDS); `None` for another word, and for one whose feature is off.
    ///
    /// ```
    /// # #[cfg(feature = "fdb")]
    /// # fn main() {
    /// use nl_events::Source;
    ///
    /// assert_eq!(Source::by_word("fdb").map(|sources| sources.len()), Some(1));
    /// assert!(Source::by_word("weather").is_none());
    /// # }
    /// # #[cfg(not(feature = "fdb"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn by_word(word: &str) -> Option<&'static [Self]> {
        WORDS.iter().find(|(of, _)| *of == word).map(|(_, sources)| *sources)
    }
}
