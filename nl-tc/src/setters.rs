/// Setters that store their argument, or what a function makes of it.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty $(=> $wrap:path)?;)+) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.$name = $crate::setters::setters!(@ $name $($wrap)?);
            self
        }
    )+};
    (@ $name:ident) => { $name };
    (@ $name:ident $wrap:path) => { $wrap($name) };
}
pub(crate) use setters;
