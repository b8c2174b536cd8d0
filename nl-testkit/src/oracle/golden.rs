//! Golden files: requests in hex with the command that made them, for codec tests that need no kernel.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use super::show;
use crate::{Error, Result};

/// One request of a golden file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Golden {
    /// The command that made it.
    pub command: String,
    /// The message, with sequence number 1 and port 0, in the byte order of this machine.
    pub message: Vec<u8>,
}

/// Requests to be written to a golden file when `NL_TESTKIT_BLESS=1` is set; otherwise it does nothing.
#[derive(Debug)]
pub struct Blessing {
    path: PathBuf,
    text: String,
}

impl Golden {
    /// Reads a golden file: lines with `#` tell the command, lines of hex are the message it made.
    ///
    /// # Errors
    ///
    /// When the text is not of that form, or was made on a machine of the other byte order.
    pub fn read(text: &str) -> Result<Vec<Self>> {
        let mut found: Vec<Self> = Vec::new();
        let mut command = None;
        let mut continued = false;
        let mut order = None;
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            let wrong = |what: &str| Error::from(format!("line {}: {what}: {line}", at + 1));
            if let Some(comment) = line.strip_prefix('#') {
                continued = false;
                match comment.trim().strip_prefix(ORDER) {
                    Some(text) => order = Some(text.to_owned()),
                    None => {
                        if let Some(text) = comment.trim().strip_prefix("$ ") {
                            command = Some(text.to_owned());
                        }
                    }
                }
            } else if line.is_empty() {
                continued = false;
            } else {
                let bytes = unhex(line).ok_or_else(|| wrong("not hex"))?;
                match (found.last_mut(), continued) {
                    (Some(last), true) => last.message.extend(bytes),
                    _ => {
                        let command = command.take().ok_or_else(|| wrong("hex without a `# $ command`"))?;
                        found.push(Self { command, message: bytes });
                    }
                }
                continued = true;
            }
        }
        match order.as_deref() {
            Some(order) if order == byte_order() => Ok(found),
            Some(order) => Err(format!("the file is {order}, this machine is {}", byte_order()).into()),
            None => Err(format!("no line `# {ORDER}…`").into()),
        }
    }
}

impl Blessing {
    /// For this file; `made_by` tells what the commands are of, such as the version of iproute2.
    #[must_use]
    pub fn new(path: impl AsRef<Path>, made_by: &str) -> Self {
        let text = format!("# Requests as sent by {made_by}.\n# {ORDER}{}\n", byte_order());
        Self { path: path.as_ref().to_owned(), text }
    }

    /// Adds a request.
    pub fn add(&mut self, command: &str, message: &[u8]) {
        let mut message = message.to_vec();
        let numbers = [1_u32.to_ne_bytes(), 0_u32.to_ne_bytes()].concat();
        if let Some(place) = message.get_mut(8..16) {
            place.copy_from_slice(&numbers);
        }
        self.text += &format!("\n# $ {command}\n");
        for row in message.chunks(ROW) {
            self.text += &show::hex(row).replace(' ', "");
            self.text.push('\n');
        }
    }

    /// Writes the file if that is asked for, and tells whether it did.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn save(self) -> io::Result<bool> {
        if env::var("NL_TESTKIT_BLESS").is_ok_and(|value| value == "1") {
            fs::write(&self.path, &self.text)?;
            return Ok(true);
        }
        Ok(false)
    }
}

fn unhex(line: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = line.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    digits.chunks(2).map(byte).collect()
}

const fn byte_order() -> &'static str {
    if cfg!(target_endian = "little") { "little-endian" } else { "big-endian" }
}

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
        let mut blessing = Blessing::new("unused", "iproute2-6.1.0");
        blessing.add("bridge fdb add", &message());
        blessing.add("bridge fdb del", &message()[..20]);
        let golden = Golden::read(&blessing.text).unwrap();
        let [add, del] = golden.as_slice() else { panic!("{golden:?}") };
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
        ] {
            let error = Golden::read(text).unwrap_err().to_string();
            assert!(error.starts_with(why), "{text}: {error}");
        }
    }
}
