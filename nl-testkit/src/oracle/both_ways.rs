//! Tables of cases that are checked both ways: we set and iproute2 shows, iproute2 sets and we read.

use std::fmt::Debug;

use serde_json::Value;

use crate::Result;

/// One object in three forms.
///
/// ```
/// use nl_testkit::oracle::Case;
/// use serde_json::json;
///
/// struct Vxlan {
///     id: u32,
/// }
///
/// let cases = [
///     Case { ours: Vxlan { id: 7 }, words: "id 7".into(), shown: Some(json!({ "id": 7 })) },
///     // What iproute2 shows need only be the same for both.
///     Case::new(Vxlan { id: 0xff_ffff }, "id 16777215"),
/// ];
/// # assert_eq!(cases[0].ours.id, cases[0].shown.as_ref().unwrap()["id"]);
/// ```
#[derive(Clone, Debug)]
pub struct Case<T> {
    /// What our code sets.
    pub ours: T,
    /// The same in the words of iproute2.
    pub words: String,
    /// What iproute2 must show, as [`Object::shown`] returns it. Without it, what iproute2 shows must only be the same
    /// whoever has set it.
    pub shown: Option<Value>,
}

impl<T> Case<T> {
    /// A case without a value that iproute2 must show.
    pub fn new(ours: T, words: impl Into<String>) -> Self {
        Self { ours, words: words.into(), shown: None }
    }

    /// The value that iproute2 must show.
    #[must_use]
    pub fn shown(mut self, value: Value) -> Self {
        self.shown = Some(value);
        self
    }
}

/// What has been done to an object when it is read or shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Our code has set it.
    SetByUs,
    /// [`Object::write_back`] has written what was read.
    WrittenBack,
    /// iproute2 has set it, from the words of the case.
    SetByIproute2,
    /// iproute2 has set it, from [`Object::words`].
    Printed,
    /// It has been removed.
    Removed,
}

/// How objects of one kind are set, read, shown and removed, for [`check`]. It holds the node and the handle of the code under test.
///
/// [`Self::write_back`], [`Self::words`] and [`Self::compare`] are further checks, which kinds may leave out.
pub trait Object {
    /// What a case sets.
    type Ours: Debug;
    /// What our code reads.
    type Read: Debug + PartialEq;

    /// Sets it with our code.
    fn set(&self, ours: &Self::Ours) -> impl Future<Output = Result>;

    /// Removes it with our code.
    fn remove(&self, ours: &Self::Ours) -> impl Future<Output = Result>;

    /// Reads it with our code; `None` if it is not there.
    ///
    /// What depends on who has set it may be left out for that [`Step`]; say why.
    fn read(&self, ours: &Self::Ours, after: Step) -> impl Future<Output = Result<Option<Self::Read>>>;

    /// Sets it with iproute2.
    fn iproute2_sets(&self, ours: &Self::Ours, words: &str) -> impl Future<Output = Result>;

    /// Removes it with iproute2.
    fn iproute2_removes(&self, ours: &Self::Ours, words: &str) -> impl Future<Output = Result>;

    /// What iproute2 shows, without what changes by itself; [`Value::Null`] if it is not there.
    fn shown(&self, ours: &Self::Ours, after: Step) -> impl Future<Output = Result<Value>>;

    /// Compares what was set with what was read.
    ///
    /// # Errors
    ///
    /// When they differ in what was set; the text is shown. By default nothing is compared.
    fn compare(&self, _ours: &Self::Ours, _read: &Self::Read) -> Result {
        Ok(())
    }

    /// Writes what was read, after which iproute2 must show the same; `false` if this kind has no such check.
    fn write_back(&self, _ours: &Self::Ours, _read: &Self::Read) -> impl Future<Output = Result<bool>> {
        async { Ok(false) }
    }

    /// Our own rendering in the words of iproute2, which must set the same; `None` if there is none.
    fn words(&self, _ours: &Self::Ours) -> Option<String> {
        None
    }
}

/// Checks each case, both ways:
///
/// 1. our code sets it: iproute2 shows what the case says, and our code reads it; what was read is written back, and iproute2
///    shows the same; our code removes it, and iproute2 shows nothing;
/// 2. iproute2 sets it: iproute2 shows the same as before, and our code reads the same as before; iproute2 removes it, and our
///    code reads nothing;
/// 3. iproute2 sets it from our own rendering: iproute2 shows the same as before.
///
/// # Panics
///
/// When a step fails or its outcome is another, with the words of the case; when there is no case.
pub async fn check<O: Object>(object: &O, cases: impl IntoIterator<Item = Case<O::Ours>>) {
    let mut checked = 0;
    for case in cases {
        if let Err(error) = both_ways(object, &case).await {
            fail(&format!("`{}`: {error}\nours: {:?}", case.words, case.ours));
        }
        checked += 1;
    }
    assert!(checked > 0, "there is no case in the table");
}

async fn both_ways<O: Object>(object: &O, Case { ours, words, shown }: &Case<O::Ours>) -> Result {
    step("set by us", object.set(ours).await)?;
    let by_us = step("shown after it was set by us", object.shown(ours, Step::SetByUs).await)?;
    match shown {
        Some(expected) => same("set by us, shown by iproute2", &by_us, expected)?,
        None if by_us.is_null() => return Err("set by us, iproute2 shows nothing".into()),
        None => {}
    }
    let read = step("read after it was set by us", object.read(ours, Step::SetByUs).await)?;
    let read_by_us = read.ok_or("set by us, we read nothing")?;
    step("set by us, read by us", object.compare(ours, &read_by_us))?;
    if step("written back", object.write_back(ours, &read_by_us).await)? {
        same("written back, shown by iproute2", &object.shown(ours, Step::WrittenBack).await?, &by_us)?;
    }
    step("removed by us", object.remove(ours).await)?;
    same("removed by us, shown by iproute2", &object.shown(ours, Step::Removed).await?, &Value::Null)?;

    step("set by iproute2", object.iproute2_sets(ours, words).await)?;
    same("set by iproute2, shown by it", &object.shown(ours, Step::SetByIproute2).await?, &by_us)?;
    let read = step("read after it was set by iproute2", object.read(ours, Step::SetByIproute2).await)?;
    let read = read.ok_or("set by iproute2, we read nothing")?;
    step("set by iproute2, read by us", object.compare(ours, &read))?;
    same("read by us, set by iproute2 and set by us", &read, &read_by_us)?;
    step("removed by iproute2", object.iproute2_removes(ours, words).await)?;
    same("removed by iproute2, read by us", &object.read(ours, Step::Removed).await?, &None)?;

    if let Some(words) = object.words(ours) {
        let what = format!("set by iproute2 from our words `{words}`");
        step(&what, object.iproute2_sets(ours, &words).await)?;
        same(&what, &object.shown(ours, Step::Printed).await?, &by_us)?;
        step(&what, object.iproute2_removes(ours, &words).await)?;
        same(&what, &object.shown(ours, Step::Removed).await?, &Value::Null)?;
    }
    Ok(())
}

fn step<T>(what: &str, result: Result<T>) -> Result<T> {
    result.map_err(|error| format!("{what}: {error}").into())
}

fn same<T: Debug + PartialEq>(what: &str, seen: &T, expected: &T) -> Result {
    if seen == expected {
        return Ok(());
    }
    Err(format!("{what}:\n  is {seen:?}\n  not {expected:?}").into())
}

#[expect(clippy::panic, reason = "assertion helper")]
fn fail(what: &str) -> ! {
    panic!("{what}")
}
