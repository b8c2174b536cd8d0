//! The little that has to be known about a program before it goes into a virtual machine.

use std::{fs::File, io::Read, os::unix::fs::FileExt, path::Path};

use nl_testkit::Result;

/// Whether a file is a program or a library at all.
pub(crate) fn is_elf(path: &Path) -> Result<bool> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4).read_to_end(&mut start));
    read.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(start == [0x7f, b'E', b'L', b'F'])
}

/// The dynamic loader a program asks for; `None` when it is static.
pub(crate) fn interpreter(path: &Path) -> Result<Option<String>> {
    let named = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = File::open(path).map_err(named)?;
    let mut header = [0; 64];
    file.read_exact(&mut header).map_err(named)?;
    if !header.starts_with(&[0x7f, b'E', b'L', b'F', CLASS_64, LITTLE_ENDIAN])
        || number(&header, 18, 2) != X86_64
    {
        return Err(format!("{} is not a program for x86-64", path.display()).into());
    }
    let (start, size, count) = (number(&header, 32, 8), number(&header, 54, 2), number(&header, 56, 2));
    for index in 0..count {
        let mut entry = [0; 56];
        file.read_exact_at(&mut entry, start + index * size).map_err(named)?;
        if number(&entry, 0, 4) == PT_INTERP {
            let mut text = vec![0; usize::try_from(number(&entry, 32, 8))?];
            file.read_exact_at(&mut text, number(&entry, 8, 8)).map_err(named)?;
            return Ok(Some(String::from_utf8_lossy(&text).trim_end_matches('\0').to_owned()));
        }
    }
    Ok(None)
}

fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let bytes = bytes.get(at..at + length).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

// include/uapi/linux/elf.h
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const PT_INTERP: u64 = 3;
const X86_64: u64 = 62;
