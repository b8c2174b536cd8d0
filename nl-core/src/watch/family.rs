/// Makes the watch of a family of tables: a stream of the changes of one type of entries, and its builder, around a
/// [`Source`](nl_core::watch::Source).
///
/// The crate that uses it depends on `futures-core` and, where it has a feature `blocking`, passes it on to this crate.
#[macro_export]
macro_rules! watch_of {
    ($(#[$doc:meta])* $watch:ident, $builder:ident: $source:ident of $entry:ident; $(#[$open:meta])* open) => {
        $(#[$doc])*
        ///
        /// A `Stream` of `Result<Change>`: first the entries that exist, then what changes; see [`Watch`](nl_core::watch::Watch),
        /// also for its errors, and [how a watch stays correct](nl_core::watch#how-a-watch-stays-correct). Under feature `blocking`,
        /// `for change in &mut watch` waits without a runtime.
        pub struct $watch($crate::watch::Watch<$source>);

        impl $watch {
            /// Watches the connection's namespace.
            ///
            /// # Errors
            #[doc = concat!("As [`", stringify!($builder), "::open`].")]
            pub fn open(conn: &$crate::Connection) -> $crate::Pending<Self> {
                Self::builder(conn).open()
            }

            /// Options for a watch of the connection's namespace.
            pub fn builder(conn: &$crate::Connection) -> $builder {
                $builder($crate::watch::Watch::builder(conn, $source))
            }

            /// The entries as they are after the changes that were reported so far.
            pub fn entries(&self) -> impl Iterator<Item = &$entry> {
                self.0.entries()
            }

            /// The number of entries.
            #[must_use]
            pub fn len(&self) -> usize {
                self.0.len()
            }

            /// Whether there is no entry.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }

            /// How often the kernel dropped events because the receive buffer was full.
            #[must_use]
            pub fn overruns(&self) -> u64 {
                self.0.overruns()
            }

            /// Lists the table again, and reports the differences and then `Synced`; see
            /// [`Watch::resync`](nl_core::watch::Watch::resync).
            pub fn resync(&mut self) {
                self.0.resync();
            }
        }

        impl $crate::watch::Mirror for $watch {
            type Entry = $entry;
            type Change = $crate::watch::Change<$entry>;

            fn entries(&self) -> impl Iterator<Item = &Self::Entry> {
                self.0.entries()
            }

            fn len(&self) -> usize {
                self.0.len()
            }

            fn overruns(&self) -> u64 {
                self.0.overruns()
            }

            fn resync(&mut self) {
                self.0.resync();
            }

            fn is_synced(change: &Self::Change) -> bool {
                matches!(change, $crate::watch::Change::Synced)
            }
        }

        impl futures_core::Stream for $watch {
            type Item = $crate::Result<$crate::watch::Change<$entry>>;

            fn poll_next(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Self::Item>> {
                std::pin::Pin::new(&mut self.0).poll_next(cx)
            }
        }

        /// The changes, one after another on the calling thread.
        #[cfg(feature = "blocking")]
        impl IntoIterator for &mut $watch {
            type Item = $crate::Result<$crate::watch::Change<$entry>>;
            type IntoIter = $crate::blocking::Iter<Self>;

            fn into_iter(self) -> Self::IntoIter {
                $crate::blocking::Iter::new(self)
            }
        }

        impl std::fmt::Debug for $watch {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        #[doc = concat!("Options for a [`", stringify!($watch), "`].")]
        #[derive(Clone, Debug)]
        #[must_use = "a builder does nothing until it is opened"]
        pub struct $builder($crate::watch::WatchBuilder<$source>);

        impl $builder {
            /// The size of the receive buffer in bytes, 8 MiB by default; see
            /// [`MonitorBuilder::receive_buffer`](nl_core::monitor::MonitorBuilder::receive_buffer).
            pub fn receive_buffer(self, bytes: usize) -> Self {
                Self(self.0.receive_buffer(bytes))
            }

            /// Starts the watch.
            ///
            $(#[$open])*
            ///
            /// # Errors
            /// The connection is to another protocol, or the receive buffer is over 1 GiB.
            pub fn open(self) -> $crate::Pending<$watch> {
                $crate::Pending::new(async move { self.0.open().map($watch) })
            }
        }
    };
}
pub use watch_of;
