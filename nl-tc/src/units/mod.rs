//! Rates, sizes, bursts and probabilities, in the words of `tc` and in the units of the kernel.

mod burst;
mod number;
mod overhead;
mod probability;
mod rate;
mod size;
#[cfg(feature = "serde")]
mod text;
mod time;
mod words;

pub use burst::Burst;
#[cfg(feature = "leaf")]
pub(crate) use burst::NANOS_PER_TICK;
pub use overhead::{LinkLayer, Overhead};
pub use probability::Probability;
pub use rate::Rate;
#[cfg(any(feature = "action", feature = "htb", feature = "leaf"))]
pub(crate) use rate::joined;
pub use size::Size;
pub use time::Time;
#[cfg(any(feature = "hfsc", feature = "leaf"))]
pub(crate) use time::micros;
pub(crate) use words::word;
