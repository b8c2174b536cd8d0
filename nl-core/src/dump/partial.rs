use crate::error::{Error, Result};

/// What was read of a table, and why that may not be all of it.
///
/// See [`Dump::collect_partial`](super::Dump::collect_partial).
#[derive(Debug)]
#[non_exhaustive]
pub struct Partial<T> {
    /// The entries. After [`Interrupted`](crate::error::ErrorKind::Interrupted) these are all that the last attempt listed, of which
    /// some can occur twice and others can be missing; after another error these are the ones before it.
    pub entries: Vec<T>,
    /// Why the table may not be complete; `None` if it is.
    pub error: Option<Error>,
}

impl<T> Partial<T> {
    /// Whether it is the whole table.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.error.is_none()
    }

    /// The whole table, or why there is none.
    ///
    /// # Errors
    /// What is in [`error`](Self::error).
    pub fn into_result(self) -> Result<Vec<T>> {
        match self.error {
            None => Ok(self.entries),
            Some(error) => Err(error),
        }
    }
}
