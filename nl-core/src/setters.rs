/// The fluent options of a type, written once for the codec's type and for the handle's builder around it.
///
/// The list stands in a macro of the codec; each user says which type gets the methods, and in which field the options are kept:
///
/// ```
/// #[derive(Default)]
/// pub struct Entry {
///     vlan: Option<u16>,
/// }
///
/// /// What is done with an entry.
/// #[derive(Default)]
/// pub struct Builder {
///     entry: Entry,
/// }
///
/// macro_rules! entry_options {
///     ($($target:tt)*) => {
///         nl_core::setters! { $($target)*
///             /// In this VLAN.
///             vlan(entry, vlan: u16) { entry.vlan = Some(vlan); }
///         }
///     };
/// }
/// entry_options!(Entry []);
/// entry_options!(Builder [entry]);
///
/// assert_eq!(Entry::default().vlan(10).vlan, Some(10));
/// assert_eq!(Builder::default().vlan(10).entry.vlan, Some(10));
/// ```
#[macro_export]
macro_rules! setters {
    ($type:ident [] $($list:tt)+) => { $crate::setters!(@ $type (self_) self_; $($list)+); };
    ($type:ident [$field:ident] $($list:tt)+) => { $crate::setters!(@ $type (self_) self_.$field; $($list)+); };
    (
        @ $type:ident ($own:ident) $place:expr;
        $($(#[$doc:meta])* $name:ident($entry:ident $(, $arg:ident: $arg_type:ty)*) $body:block)+
    ) => {
        impl $type {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(self $(, $arg: $arg_type)*) -> Self {
                    let mut $own = self;
                    let $entry = &mut $place;
                    $body
                    $own
                }
            )+
        }
    };
}
