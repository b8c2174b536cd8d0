//! Each way in which a case can go wrong is noticed, with a kernel that is a number.

use std::cell::Cell;

use serde_json::{Value, json};

use crate::Result;
use crate::oracle::both_ways::{Case, Object, Step, check};

/// What is wrong with our code, or with what iproute2 shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    SetsAnother,
    ReadsAnother,
    ReadsNothing,
    RemovesNothing,
    WritesBackAnother,
    PrintsAnother,
    TheirsRemovesNothing,
}

struct Number {
    kernel: Cell<Option<u8>>,
    fault: Fault,
}

impl Object for Number {
    type Ours = u8;
    type Read = u8;

    async fn set(&self, ours: &u8) -> Result {
        self.kernel.set(Some(ours + u8::from(self.fault == Fault::SetsAnother)));
        Ok(())
    }

    async fn remove(&self, _: &u8) -> Result {
        if self.fault != Fault::RemovesNothing {
            self.kernel.set(None);
        }
        Ok(())
    }

    async fn read(&self, _: &u8, after: Step) -> Result<Option<u8>> {
        match self.fault {
            Fault::ReadsNothing => Ok(None),
            Fault::ReadsAnother if after == Step::SetByIproute2 => Ok(Some(0)),
            _ => Ok(self.kernel.get()),
        }
    }

    async fn iproute2_sets(&self, _: &u8, words: &str) -> Result {
        self.kernel.set(Some(words.parse()?));
        Ok(())
    }

    async fn iproute2_removes(&self, _: &u8, _: &str) -> Result {
        if self.fault != Fault::TheirsRemovesNothing {
            self.kernel.set(None);
        }
        Ok(())
    }

    async fn shown(&self, _: &u8, _: Step) -> Result<Value> {
        Ok(self.kernel.get().map_or(Value::Null, |number| json!({ "number": number })))
    }

    async fn write_back(&self, _: &u8, read: &u8) -> Result<bool> {
        self.kernel.set(Some(read + u8::from(self.fault == Fault::WritesBackAnother)));
        Ok(true)
    }

    fn words(&self, ours: &u8) -> Option<String> {
        Some((ours + u8::from(self.fault == Fault::PrintsAnother)).to_string())
    }
}

/// What the check says, if it complains.
fn complaint(fault: Fault, case: Case<u8>) -> Option<String> {
    let object = Number { kernel: Cell::new(None), fault };
    let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        futures_util::FutureExt::now_or_never(check(&object, [case])).unwrap();
    }));
    Some(*checked.err()?.downcast::<String>().unwrap())
}

fn seven() -> Case<u8> {
    Case { ours: 7, words: "7".into(), shown: Some(json!({ "number": 7 })) }
}

#[test]
fn a_right_case_passes() {
    assert_eq!(complaint(Fault::None, seven()), None);
    assert_eq!(complaint(Fault::None, Case::new(7, "7")), None);
}

#[test]
fn each_fault_is_noticed_at_its_step() {
    for (fault, step) in [
        (Fault::SetsAnother, "`7`: set by us, shown by iproute2:\n  is Object {\"number\": Number(8)}"),
        (Fault::ReadsNothing, "set by us, we read nothing"),
        (Fault::WritesBackAnother, "written back, shown by iproute2"),
        (Fault::RemovesNothing, "removed by us, shown by iproute2"),
        (Fault::ReadsAnother, "read by us, set by iproute2 and set by us:\n  is 0\n  not 7"),
        (Fault::TheirsRemovesNothing, "removed by iproute2, read by us"),
        (Fault::PrintsAnother, "set by iproute2 from our words `8`"),
    ] {
        let text = complaint(fault, seven()).unwrap_or_default();
        assert!(text.contains(step), "{fault:?}: {text}");
    }
}

#[test]
fn words_that_say_another_are_noticed_without_a_value_to_show() {
    let text = complaint(Fault::None, Case::new(7, "8")).unwrap();
    assert!(text.contains("set by iproute2, shown by it"), "{text}");
    let text = complaint(Fault::SetsAnother, Case::new(7, "7")).unwrap();
    assert!(text.contains("set by iproute2, shown by it"), "{text}");
}

#[test]
#[should_panic(expected = "there is no case in the table")]
fn an_empty_table_proves_nothing() {
    let object = Number { kernel: Cell::new(None), fault: Fault::None };
    futures_util::FutureExt::now_or_never(check(&object, [])).unwrap();
}
