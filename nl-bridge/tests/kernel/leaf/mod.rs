//! Leaves in one description, and what the doctor finds.

mod apply;
mod doctor;
mod ownership;
mod random;
mod support;
mod traffic;
