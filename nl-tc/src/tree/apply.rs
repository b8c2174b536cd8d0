use nl_core::{Dev, Error, Pending, Result};

use crate::class::ClassFilter;
use crate::qdisc::QdiscFilter;
use crate::tc::Tc;
use crate::tree::{Plan, Snapshot, Tree};

impl Tc {
    /// Reads what is on a device, to be compared with a [`Tree`].
    ///
    /// Equivalent: `tc qdisc show`, and `tc class show` for each qdisc of a kind whose classes a tree can have. Needs no privilege.
    ///
    /// # Errors
    /// No such device.
    pub fn snapshot(&self, dev: impl Into<Dev>) -> Pending<Snapshot> {
        let (tc, dev) = (self.clone(), dev.into());
        Pending::new(async move {
            let index = tc.index(&dev).await;
            let index = index.map_err(|error| error.during(|| format!("read the tree dev {dev}")))?;
            tc.read_tree(index).await
        })
    }

    /// Makes what is under the root of a device be as the tree says, and returns what was done: nothing where it was so
    /// already.
    ///
    /// See [`tree`](crate::tree) for what is changed and what is made anew. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// The tree cannot be; no such device; what the kernel refuses first, after which nothing more is done. What was done before
    /// that stays; applying the tree again goes on from there.
    pub fn apply(&self, dev: impl Into<Dev>, tree: &Tree) -> Pending<Plan> {
        let (tc, dev, tree) = (self.clone(), dev.into(), tree.clone());
        Pending::new(async move {
            let index = tc.index(&dev).await;
            let index = index.map_err(|error| error.during(|| format!("apply a tree dev {dev}")))?;
            // A plan knows devices by number.
            let named = |error: Error| match error.operation().map(str::to_owned) {
                Some(operation) => {
                    error.during(|| operation.replace(&format!(" dev #{index} "), &format!(" dev {dev} ")))
                }
                None => error.during(|| format!("apply a tree dev {dev}")),
            };
            let plan = tree.plan(&tc.read_tree(index).await?).map_err(named)?;
            let steps = tc.batch(plan.clone()).stop_at_first_failure();
            steps.summarize(1).await?.into_result().map_err(named)?;
            Ok(plan)
        })
    }

    async fn read_tree(&self, index: u32) -> Result<Snapshot> {
        let on_device = QdiscFilter { index: Some(index), ..QdiscFilter::default() };
        let qdiscs = self.qdiscs_matching(on_device).collect_all().await?;
        let mut classes = Vec::new();
        // One by one: a list of all ends at a netem qdisc, and says nothing.
        for qdisc in qdiscs.iter().filter(|qdisc| qdisc.config.has_classes()) {
            let within = ClassFilter { qdisc: Some(qdisc.handle), ..ClassFilter::new(index) };
            classes.extend(self.classes_matching(within).collect_all().await?);
        }
        Ok(Snapshot::new(index, qdiscs, classes))
    }
}
