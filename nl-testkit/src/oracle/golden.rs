use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use super::{hex::parse as parse_hex, show};
use crate::{Error, Result};

/// A golden file that was read: what another program asked of the kernel.
///
/// The file is text. One test on a real kernel compares ours with what the other program sends, and writes down the latter
/// with [`Blessing`]; a codec test, which needs no kernel, compares ours with the file from then on:
///
/// ```
/// use nl_testkit::oracle::{Attr, BytesOracle, Field, Golden, Shape};
///
/// # let order = if cfg!(target_endian = "little") { "little" } else { "big" };
/// # let numbers = [20_u32.to_ne_bytes(), [16, 0, 5, 0], 1_u32.to_ne_bytes(), [0; 4], 7_u32.to_ne_bytes()];
/// # let hex: String = numbers.concat().iter().map(|byte| format!("{byte:02x}")).collect();
/// // Of a file this would be `fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/link.hex"))`.
/// let text = format!(
///     "# Requests as sent by iproute2-6.1.0.
/// ## byte order: {order}-endian
/// ## number: eth0 = 7
///
/// ## $ ip link set eth0
/// {hex}
/// ");
/// const SHAPE: Shape = Shape::new("header", &[Field::new("index", 4)]);
///
/// let golden = Golden::read(&text)?;
/// let theirs = golden.request("ip link set eth0").ok_or("the command is not in the file")?;
/// let index = golden.numbers["eth0"];
/// let ours = [&theirs[..16], &index.to_ne_bytes()].concat();
/// BytesOracle::new(&SHAPE).compare(&ours, theirs)?;
/// # Ok::<(), nl_testkit::Error>(())
/// ```
///
/// Numbers in the messages are in the byte order of the machine that made the file: [`read`](Self::read) refuses it on one
/// of the other order. Let the test say so: `#[cfg_attr(target_endian = "big", ignore = "the file is little-endian")]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Golden {
    /// What the commands are of, such as the version of iproute2.
    pub made_by: String,
    /// What the names in the commands stood for, such as the indexes of interfaces.
    pub numbers: BTreeMap<String, u32>,
    /// The requests, in the order of the file.
    pub requests: Vec<GoldenRequest>,
}

/// One request of a golden file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GoldenRequest {
    /// The command that made it.
    pub command: String,
    /// The message, with sequence number 1 and port 0, in the byte order of this machine.
    pub message: Vec<u8>,
}

/// Requests to be written to a golden file when `NL_TESTKIT_BLESS=1` is set; otherwise it does nothing.
///
/// Add what the other program sent, not what ours did: only then is the file an oracle. Save it last, when all
/// comparisons of the test have passed. [`Golden`] reads it.
#[derive(Debug)]
#[must_use = "nothing is written before `save`"]
pub struct Blessing {
    path: PathBuf,
    text: String,
}

impl Golden {
    /// Reads a golden file: lines with `#` are the command, lines of hex are the message it made.
    ///
    /// # Errors
    ///
    /// When the text is not of that form, or was made on a machine of the other byte order.
    pub fn read(text: &str) -> Result<Self> {
        let mut golden = Self { made_by: String::new(), numbers: BTreeMap::new(), requests: Vec::new() };
        let mut command = None;
        let mut continued = false;
        let mut order = None;
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            let wrong = |what: &str| Error::from(format!("line {}: {what}: {line}", at + 1));
            if let Some(comment) = line.strip_prefix('#').map(str::trim) {
                continued = false;
                if let Some(text) = comment.strip_prefix(ORDER) {
                    order = Some(text.to_owned());
                } else if let Some(text) = comment.strip_prefix(MADE_BY) {
                    text.trim_end_matches('.').clone_into(&mut golden.made_by);
                } else if let Some(text) = comment.strip_prefix(NUMBER) {
                    let number = text.split_once(" = ").and_then(|(name, number)| {
                        Some((name.trim().to_owned(), number.trim().parse().ok()?))
                    });
                    let (name, number) = number.ok_or_else(|| wrong("not `name = number`"))?;
                    golden.numbers.insert(name, number);
                } else if let Some(text) = comment.strip_prefix(COMMAND)
                    && command.replace(text.to_owned()).is_some()
                {
                    return Err(wrong("no message of the command before"));
                }
            } else if line.is_empty() {
                continued = false;
            } else {
                let bytes = parse_hex(line).ok_or_else(|| wrong("not hex"))?;
                match (golden.requests.last_mut(), continued) {
                    (Some(last), true) => last.message.extend(bytes),
                    _ => {
                        let command = command.take().ok_or_else(|| wrong("hex without a `# $ command`"))?;
                        golden.requests.push(GoldenRequest { command, message: bytes });
                    }
                }
                continued = true;
            }
        }
        if let Some(command) = command {
            return Err(format!("the end of the file: no message of `{command}`").into());
        }
        match order.as_deref() {
            Some(order) if order == byte_order() => Ok(golden),
            Some(order) => Err(format!("the file is {order}, this machine is {}", byte_order()).into()),
            None => Err(format!("no line `# {ORDER}…`").into()),
        }
    }

    /// The message a command made; the first, if it made several.
    #[must_use]
    pub fn request(&self, command: &str) -> Option<&[u8]> {
        let request = self.requests.iter().find(|request| request.command == command)?;
        Some(&request.message)
    }
}

impl Blessing {
    /// For this file; `made_by` says what the commands are of, such as the version of iproute2.
    pub fn new(path: impl AsRef<Path>, made_by: &str) -> Self {
        let made_by = made_by.trim().trim_end_matches('.');
        let text = format!("# {MADE_BY}{made_by}.\n# {ORDER}{}\n", byte_order());
        Self { path: path.as_ref().to_owned(), text }
    }

    /// With what the names in the commands stand for on this machine, such as the indexes of interfaces.
    pub fn numbers<'a>(
        mut self,
        numbers: impl IntoIterator<Item = (&'a (impl AsRef<str> + ?Sized + 'a), &'a u32)>,
    ) -> Self {
        for (name, number) in numbers {
            self.text += &format!("# {NUMBER}{} = {number}\n", name.as_ref());
        }
        self
    }

    /// Adds a request.
    pub fn add(&mut self, command: &str, message: &[u8]) {
        let mut message = message.to_vec();
        let numbers = [1_u32.to_ne_bytes(), 0_u32.to_ne_bytes()].concat();
        if let Some(place) = message.get_mut(8..16) {
            place.copy_from_slice(&numbers);
        }
        self.text += &format!("\n# {COMMAND}{command}\n");
        for row in message.chunks(ROW) {
            self.text += &show::hex(row).replace(' ', "");
            self.text.push('\n');
        }
    }

    /// Writes the file if that is asked for, and returns whether it did.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn save(self) -> io::Result<bool> {
        if env::var("NL_TESTKIT_BLESS").is_ok_and(|value| value == "1") {
            if let Some(folder) = self.path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&self.path, &self.text)?;
            return Ok(true);
        }
        Ok(false)
    }
}

const fn byte_order() -> &'static str {
    if cfg!(target_endian = "little") { "little-endian" } else { "big-endian" }
}

const COMMAND: &str = "$ ";
const MADE_BY: &str = "Requests as sent by ";
const NUMBER: &str = "number: ";
const ORDER: &str = "byte order: ";
const ROW: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Vec<u8> {
        let mut message: Vec<u8> = (0..60).collect();
        message[8..16].copy_from_slice(&[9, 9, 9, 9, 7, 7, 7, 7]);
        message
    }

    #[test]
    fn what_is_blessed_is_read_back_without_sequence_number_and_port() {
        let numbers = BTreeMap::from([("br0".to_owned(), 2), ("port1".to_owned(), 4)]);
        let mut blessing = Blessing::new("unused", "iproute2-6.1.0").numbers(&numbers);
        blessing.add("bridge fdb add", &message());
        blessing.add("bridge fdb del", &message()[..20]);
        let golden = Golden::read(&blessing.text).unwrap();
        assert_eq!((golden.made_by.as_str(), &golden.numbers), ("iproute2-6.1.0", &numbers));
        assert_eq!(golden.request("bridge fdb add"), Some(&golden.requests[0].message[..]));
        assert_eq!(golden.request("bridge fdb"), None);
        let [add, del] = golden.requests.as_slice() else { panic!("{golden:?}") };
        assert_eq!((add.command.as_str(), add.message.len()), ("bridge fdb add", 60));
        assert_eq!((del.command.as_str(), del.message.len()), ("bridge fdb del", 20));
        assert_eq!(
            add.message[4..20],
            [&[4, 5, 6, 7], &1_u32.to_ne_bytes()[..], &[0; 4], &[16, 17, 18, 19]].concat()
        );
        assert_eq!(add.message[20..], message()[20..]);
    }

    #[test]
    fn nothing_is_written_unasked() {
        assert!(env::var_os("NL_TESTKIT_BLESS").is_none(), "run the tests without NL_TESTKIT_BLESS");
        let path = env::temp_dir().join(format!("nl-testkit-golden-{}", std::process::id()));
        let mut blessing = Blessing::new(&path, "tc");
        blessing.add("tc", &message());
        assert!(!blessing.save().unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn a_broken_file_is_refused() {
        let order = format!("# byte order: {}\n", byte_order());
        for (text, why) in [
            ("# $ tc\n00\n", "no line"),
            ("# byte order: middle-endian\n", "the file is middle-endian"),
            (&format!("{order}# $ tc\n0g\n"), "line 3: not hex"),
            (&format!("{order}# $ tc\n000\n"), "line 3: not hex"),
            (&format!("{order}00\n"), "line 2: hex without"),
            (&format!("{order}# $ tc\n# $ tc\n00\n"), "line 3: no message of the command before"),
            (&format!("{order}# $ tc\n"), "the end of the file: no message of `tc`"),
            (&format!("{order}# number: br0 two\n"), "line 2: not `name = number`"),
        ] {
            let error = Golden::read(text).unwrap_err().to_string();
            assert!(error.starts_with(why), "{text}: {error}");
        }
    }
}
