use futures_util::future::LocalBoxFuture;

use crate::{Error, Need, lab::Lab};

/// Which binary the tests are in.
#[derive(Clone, Copy, Debug)]
pub struct Binary {
    /// The package of the binary.
    pub package: &'static str,
    /// The name of the test target.
    pub name: &'static str,
}

/// One registered test.
#[derive(Debug)]
pub struct TestCase {
    /// The module path of the function, beginning with the binary.
    pub module: &'static str,
    /// The name of the function.
    pub function: &'static str,
    /// The file of the function.
    pub file: &'static str,
    /// The line of the function.
    pub line: u32,
    /// What it needs.
    pub needs: &'static [Need],
    /// How long the body may take.
    pub timeout_seconds: u64,
    /// Whether it exists only for the kit's tests of itself.
    pub planted: bool,
    /// Whether no other test may run meanwhile.
    pub serial: bool,
    /// The function.
    pub body: Body,
}

/// The function of a test.
#[derive(Debug)]
pub enum Body {
    /// An `async fn`.
    Async(fn(Lab) -> LocalBoxFuture<'static, Result<(), Error>>),
    /// A plain function.
    Sync(fn(Lab) -> Result<(), Error>),
}

/// What a test function may return.
pub trait Verdict {
    /// The value as a result.
    fn verdict(self) -> Result<(), Error>;
}

impl Verdict for () {
    fn verdict(self) -> Result<(), Error> {
        Ok(())
    }
}

impl<E: Into<Error>> Verdict for Result<(), E> {
    fn verdict(self) -> Result<(), Error> {
        self.map_err(Into::into)
    }
}

inventory::collect!(TestCase);

impl TestCase {
    /// The name as listed: the module path inside the binary and the function.
    pub(crate) fn name(&self) -> String {
        match self.module.split_once("::") {
            Some((_, module)) => format!("{module}::{}", self.function),
            None => self.function.to_owned(),
        }
    }

    pub(super) fn is_for_root(&self) -> bool {
        [Need::HostRoot, Need::Netdevsim].iter().any(|need| self.needs.contains(need))
    }
}
