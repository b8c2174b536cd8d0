//! Rows 32 to 35: events that go on and on, a large table that is followed, and listeners whom nothing concerns.

mod churn;
mod idle;
mod monitor;
mod routes;
mod stored;

pub(crate) use churn::{fdb_churn, route_churn};
pub(crate) use idle::row as idle;
pub(crate) use stored::{once as stored_once, row as stored};

// include/uapi/linux/rtnetlink.h
const RTNLGRP_NEIGH: u32 = 3;
const RTNLGRP_IPV4_ROUTE: u32 = 7;
