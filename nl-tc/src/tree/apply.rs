use nl_core::{Connection, Dev, Error, Pending, Result};

use super::current::Snapshot;
use super::desired::Tree;
use super::plan::Plan;
use crate::class::ClassFilter;
use crate::lookup::{exists, index};
use crate::qdisc::QdiscFilter;
use crate::tc::Tc;
use crate::{class, qdisc};

impl Tc {
    /// Reads the current qdiscs and classes of a device, to compare them with a [`Tree`].
    ///
    /// Equivalent: `tc qdisc show`, and `tc class show` for each qdisc that can have classes in a tree. Needs no privilege.
    ///
    /// # Errors
    /// The device does not exist.
    pub fn snapshot(&self, dev: impl Into<Dev>) -> Pending<Snapshot> {
        let (conn, dev) = (self.connection().clone(), dev.into());
        Pending::new(async move {
            let index = index(&conn, &dev).await;
            let read = match index {
                Ok(index) => read(&conn, index).await,
                Err(error) => Err(error),
            };
            read.map_err(|error| error.during(|| format!("read the tree dev {dev}")))
        })
    }

    /// Applies a tree to the root of a device and returns the steps. Returns an empty plan if the device already has the tree.
    ///
    /// [`tree`](crate::tree) describes what is changed and what is added again. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// The tree is invalid; the device does not exist; the first refusal by the kernel, which ends the operation. The steps before
    /// it stay, and the [hint](Error::hint) says how many they are. To continue, apply the tree again.
    pub fn apply(&self, dev: impl Into<Dev>, tree: &Tree) -> Pending<Plan> {
        let (tc, dev, tree) = (self.clone(), dev.into(), tree.clone());
        Pending::new(async move {
            let apply = |error: Error| error.during(|| format!("apply a tree dev {dev}"));
            let index = index(tc.connection(), &dev).await.map_err(apply)?;
            // The steps describe the device by its index.
            let explain = |error: Error| match error.operation() {
                Some(_) => error.naming(index, &dev),
                None => apply(error),
            };
            let current = read(tc.connection(), index).await.map_err(apply)?;
            let plan = tree.plan(&current).map_err(explain)?;
            let steps = tc.batch(plan.clone()).stop_at_first_failure();
            match steps.summarize(1).await?.failures.into_iter().next() {
                Some((done, error)) => Err(at_step(done, plan.steps().len(), explain(error))),
                None => Ok(plan),
            }
        })
    }
}

/// Says how far the operation came.
fn at_step(done: u64, total: usize, error: Error) -> Error {
    let step = done + 1;
    let text = match done {
        0 => format!("step {step} of {total}: nothing was changed"),
        _ => format!("step {step} of {total}: those before it were carried out"),
    };
    let hint = match error.hint() {
        Some(hint) => format!("{hint}; {text}"),
        None => text,
    };
    error.hinted(hint)
}

async fn read(conn: &Connection, index: u32) -> Result<Snapshot> {
    let on_device = QdiscFilter { index: Some(index), ..QdiscFilter::default() };
    let qdiscs = qdisc::list(conn, on_device).collect_all().await?;
    if qdiscs.is_empty() {
        // Every device has a qdisc, and the kernel answers an index that no device has with an empty list.
        exists(conn, index).await?;
    }
    let mut classes = Vec::new();
    // Each qdisc by itself, because a list of all classes ends at a netem qdisc without an error.
    for qdisc in qdiscs.iter().filter(|qdisc| qdisc.config.has_classes()) {
        let within = ClassFilter { qdisc: Some(qdisc.handle), ..ClassFilter::new(index) };
        classes.extend(class::list(conn, within).collect_all().await?);
    }
    Ok(Snapshot::new(index, qdiscs, classes))
}
