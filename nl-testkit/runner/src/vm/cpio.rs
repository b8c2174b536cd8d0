//! Writing archives in the newc format of cpio, which the kernel unpacks as its first file system.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

/// An archive being written; parents must be added before what is in them.
#[derive(Debug)]
pub(crate) struct Archive<W> {
    to: W,
    written: usize,
    files: u32,
}

impl<W: Write> Archive<W> {
    pub(crate) const fn new(to: W) -> Self {
        Self { to, written: 0, files: 0 }
    }

    pub(crate) fn folder(&mut self, path: &str) -> io::Result<()> {
        self.entry(path, FOLDER | 0o755, (0, 0), &[])
    }

    pub(crate) fn file(&mut self, path: &str, mode: u32, data: &[u8]) -> io::Result<()> {
        self.entry(path, FILE | mode, (0, 0), data)
    }

    pub(crate) fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.entry(path, LINK | 0o777, (0, 0), target.as_bytes())
    }

    /// A character device.
    pub(crate) fn device(&mut self, path: &str, mode: u32, major: u32, minor: u32) -> io::Result<()> {
        self.entry(path, DEVICE | mode, (major, minor), &[])
    }

    /// A file of this machine, with its permissions; symbolic links are followed.
    pub(crate) fn copy(&mut self, path: &str, from: &Path) -> io::Result<()> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", from.display()));
        let mode = fs::metadata(from).map_err(named)?.permissions().mode() & 0o777;
        self.file(path, mode, &fs::read(from).map_err(named)?)
    }

    /// Everything below a folder of this machine, in the order of the names.
    pub(crate) fn tree(&mut self, path: &str, from: &Path) -> io::Result<()> {
        let mut names = fs::read_dir(from)?.collect::<io::Result<Vec<_>>>()?;
        names.sort_by_key(fs::DirEntry::file_name);
        for entry in names {
            let path = format!("{path}/{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.folder(&path)?;
                self.tree(&path, &entry.path())?;
            } else if kind.is_symlink() {
                self.link(&path, &fs::read_link(entry.path())?.to_string_lossy())?;
            } else {
                self.copy(&path, &entry.path())?;
            }
        }
        Ok(())
    }

    /// Writes the end; another archive may follow in the same file.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        let rest = self.written.next_multiple_of(BLOCK) - self.written;
        self.put(&vec![0; rest])?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), data: &[u8]) -> io::Result<()> {
        self.files += 1;
        let size = u32::try_from(data.len()).map_err(|_| io::Error::other(format!("{path} is too big")))?;
        let name = u32::try_from(path.len() + 1).map_err(io::Error::other)?;
        let fields = [self.files, mode, 0, 0, 1, 0, size, 0, 0, device.0, device.1, name, 0]
            .map(|n| format!("{n:08x}"));
        self.put(format!("070701{}{path}\0", fields.concat()).as_bytes())?;
        self.pad()?;
        self.put(data)?;
        self.pad()
    }

    fn pad(&mut self) -> io::Result<()> {
        let rest = self.written.next_multiple_of(4) - self.written;
        self.put([0; 4].get(..rest).unwrap_or_default())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len();
        self.to.write_all(bytes)
    }
}

/// Puts archives behind each other in one file.
pub(crate) fn join(to: &Path, parts: &[&Path]) -> io::Result<()> {
    let mut to = File::create(to)?;
    for part in parts {
        io::copy(&mut File::open(part)?, &mut to)?;
    }
    Ok(())
}

const BLOCK: usize = 512;
// include/uapi/linux/stat.h
const DEVICE: u32 = 0o020_000;
const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_data_are_aligned_and_the_archive_fills_whole_blocks() {
        let mut archive = Archive::new(Vec::new());
        archive.folder("a").unwrap();
        archive.file("a/b", 0o644, b"hello").unwrap();
        let bytes = archive.finish().unwrap();
        assert_eq!(bytes.len() % BLOCK, 0);
        assert!(bytes.starts_with(b"070701000000010000"));
        let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"070701")).collect();
        assert_eq!(places.len(), 3);
        assert!(places.iter().all(|place| place % 4 == 0), "{places:?}");
        assert!(
            bytes.windows(10).any(|window| window == b"a/b\0hello\0")
                || bytes.windows(5).any(|w| w == b"hello")
        );
    }
}
