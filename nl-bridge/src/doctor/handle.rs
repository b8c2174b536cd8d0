use nl_core::{Connection, Pending};

use super::diagnose::diagnose;
use super::finding::Finding;
use crate::leaf::{BridgeConfig, Leaf};

/// Examines the leaf in the connection's namespace. Cheap to clone.
///
/// See [`doctor`](super) for an example.
#[derive(Clone, Debug)]
pub struct Doctor {
    leaf: Leaf,
}

impl Doctor {
    /// Over this connection, which must be one to [`Protocol::Route`](nl_core::Protocol::Route).
    #[must_use]
    pub fn new(conn: Connection) -> Self {
        Self { leaf: Leaf::new(conn) }
    }

    /// Reads what is there and finds the faults, of all bridges that have VXLAN ports.
    ///
    /// Needs no privilege.
    ///
    /// # Errors
    /// As [`Leaf::snapshot`].
    pub fn examine(&self) -> Pending<Vec<Finding>> {
        let leaf = self.leaf.clone();
        Pending::new(async move { Ok(diagnose(&leaf.snapshot().await?, None)) })
    }

    /// The same of one bridge, with a description that says which VLAN is to have which VNI.
    ///
    /// Needs no privilege.
    ///
    /// # Errors
    /// As [`examine`](Self::examine).
    pub fn examine_with(&self, config: &BridgeConfig) -> Pending<Vec<Finding>> {
        let (leaf, config) = (self.leaf.clone(), config.clone());
        Pending::new(async move { Ok(diagnose(&leaf.snapshot().await?, Some(&config))) })
    }
}
