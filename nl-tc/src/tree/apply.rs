#[cfg(feature = "action")]
use nl_core::connection::Named;
use nl_core::{Connection, Dev, Error, Pending, Result};

use super::current::Snapshot;
use super::desired::Tree;
use super::plan::{Plan, Step};
use crate::class::ClassFilter;
use crate::filter::{self, Filter};
use crate::lookup::{exists, index};
use crate::qdisc::QdiscFilter;
use crate::tc::Tc;
use crate::{TcHandle, TcObject, TcVerb, class, module, qdisc};

/// How many of the steps that were carried out an error lists: the last ones.
const SHOWN: usize = 8;

impl Tc {
    /// Reads the current qdiscs, classes and filters of a device, to compare them with a [`Tree`].
    ///
    /// Equivalent: `tc qdisc show`, and `tc class show` and `tc filter show` for each qdisc that can have classes in a tree. Needs no
    /// privilege.
    ///
    /// # Errors
    /// The device does not exist.
    pub fn snapshot(&self, dev: impl Into<Dev>) -> Pending<Snapshot> {
        let (conn, dev) = (self.connection().clone(), dev.into());
        Pending::new(async move {
            let outcome = async {
                let index = index(&conn, &dev).await?;
                let current = read(&conn, index).await?;
                read_filters(&conn, current, &[]).await
            };
            let outcome = outcome.await;
            outcome.map_err(|error| error.during(|| format!("read the tree dev {dev}")))
        })
    }

    /// Applies a tree to a device and returns the steps. Returns an empty plan if the device already has the tree.
    ///
    /// [`tree`](crate::tree) describes what is changed and what is added again. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// The tree is invalid; the device, or one that an action names, does not exist; the first refusal by the kernel, which ends the
    /// operation. The steps before it stay, and the [hint](Error::hint) says which they are: the last eight. To continue, apply the
    /// tree again.
    pub fn apply(&self, dev: impl Into<Dev>, tree: &Tree) -> Pending<Plan> {
        self.make(dev.into(), tree.clone(), "apply a tree", Tree::plan)
    }

    /// Deletes the root qdisc and the ingress or clsact qdisc of a tree, with everything below, if they are as the tree has them by
    /// kind and handle. Returns the steps, which are none if nothing is left of it.
    ///
    /// Equivalent: `tc qdisc delete` of both. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// The device does not exist; the first refusal by the kernel.
    pub fn remove(&self, dev: impl Into<Dev>, tree: &Tree) -> Pending<Plan> {
        self.make(dev.into(), tree.clone(), "remove a tree", Tree::plan_removal)
    }

    /// Reads, plans and carries out.
    fn make(
        &self,
        dev: Dev,
        tree: Tree,
        what: &'static str,
        plan: fn(&Tree, &Snapshot) -> Result<Plan>,
    ) -> Pending<Plan> {
        let tc = self.clone();
        Pending::new(async move {
            let conn = tc.connection();
            let during = |error: Error| error.during(|| format!("{what} dev {dev}"));
            let index = index(conn, &dev).await.map_err(during)?;
            #[cfg(feature = "action")]
            let mut tree = tree;
            #[cfg(feature = "action")]
            let named = tree.resolve(conn, index).await.map_err(|(error, named, filter)| {
                named.explain(error.during(|| format!("{what} dev {dev}: {filter}"))).naming(index, &dev)
            })?;
            // The steps describe devices by their indexes.
            let explain = |error: Error| {
                let error = match error.operation() {
                    Some(_) => error.naming(index, &dev),
                    None => during(error),
                };
                #[cfg(feature = "action")]
                let error = named.iter().fold(error, |error, named| named.explain(error));
                error
            };
            let mut carried_out: Vec<Step> = Vec::new();
            // The tree is read and planned three times at most.
            let mut pauses = module::PAUSES.into_iter();
            loop {
                let mut current = read(conn, index).await.map_err(during)?;
                let mut steps = match tree.filtered.is_empty() {
                    true => plan(&tree, &current).map_err(explain)?,
                    false => Plan::default(),
                };
                if !tree.filtered.is_empty() || deletes_classes(&steps) {
                    current = read_filters(conn, current, &tree.filtered).await.map_err(during)?;
                    steps = plan(&tree, &current).map_err(explain)?;
                }
                let batch = tc.batch(steps.clone()).stop_at_first_failure();
                let failure = batch.summarize(1).await?.failures.into_iter().next();
                let Some((done, error)) = failure else {
                    carried_out.extend(steps);
                    return Ok(Plan { steps: carried_out });
                };
                let total = carried_out.len().saturating_add(steps.steps().len());
                carried_out.extend(steps.into_iter().take(usize::try_from(done).unwrap_or(usize::MAX)));
                // Another program may use what it did not use when it was read, or load a module that is then there.
                let again = match pauses.next() {
                    Some(pause) if module::is_missing(&error) => Pending::pause(pause).await.is_ok(),
                    Some(_) => error.is_busy(),
                    None => false,
                };
                if !again {
                    let named =
                        |text: String| text.replace(&format!(" dev #{index} "), &format!(" dev {dev} "));
                    return Err(at_step(&carried_out, total, named, explain(error)));
                }
            }
        })
    }
}

impl Tree {
    /// Puts the indexes of devices in place of the names in actions. An error comes with the names and the filter in words.
    #[cfg(feature = "action")]
    async fn resolve(
        &mut self,
        conn: &Connection,
        index: u32,
    ) -> std::result::Result<Vec<Named>, (Error, Named, String)> {
        let mut named = Vec::new();
        for filter in &mut self.filters {
            match crate::action::resolve(conn, filter.config.actions_mut()).await {
                Ok(devs) => named.push(devs),
                Err((error, devs)) => {
                    return Err((error, devs, Filter { index, ..filter.clone() }.to_string()));
                }
            }
        }
        Ok(named)
    }
}

fn deletes_classes(plan: &Plan) -> bool {
    plan.steps().iter().any(|step| matches!(step, (TcVerb::Delete, TcObject::Class(_))))
}

/// Says how far the operation came, and what was carried out.
fn at_step(done: &[Step], total: usize, named: impl Fn(String) -> String, error: Error) -> Error {
    let step = done.len().saturating_add(1);
    let text = if done.is_empty() {
        format!("step {step} of {total}: nothing was changed")
    } else {
        let hidden = done.len().saturating_sub(SHOWN);
        let shown = done.iter().skip(hidden).map(|(verb, object)| named(format!("{verb} {object}")));
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more = if hidden == 0 { "" } else { "…, " };
        format!("step {step} of {total}: those before it were carried out: {more}{shown}")
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

/// Reads the filters of the qdiscs with classes, of the ingress or clsact qdisc, and of these qdiscs and classes.
async fn read_filters(conn: &Connection, current: Snapshot, also: &[TcHandle]) -> Result<Snapshot> {
    let mut places = also.to_vec();
    for qdisc in current.qdiscs() {
        match qdisc.config.kind() {
            "ingress" => places.push(TcHandle::CLSACT_INGRESS),
            "clsact" => places.extend([TcHandle::CLSACT_INGRESS, TcHandle::CLSACT_EGRESS]),
            _ if qdisc.config.has_classes() => places.push(qdisc.handle),
            _ => {}
        }
    }
    places.sort_unstable();
    places.dedup();
    let mut filters: Vec<Filter> = Vec::new();
    for place in places {
        let found = filter::read_all(conn, current.index, place, None).await?;
        // The kernel reports `ffff:` for ffff:fff2 if the last request had that name for it.
        filters.extend(found.into_iter().map(|filter| Filter { parent: place, ..filter }));
    }
    Ok(current.with_filters(filters))
}
