//! What lanes promise: files of the workspace that calls, `lanes/LANE.txt`, one need a line.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use nl_testkit::{Need, Result};

use crate::{cargo::cargo, vm::manifest::Manifest};

/// The folder of these files. A workspace without one promises nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lanes {
    folder: Option<PathBuf>,
}

impl Lanes {
    /// A folder named on the command line, which must exist.
    pub(crate) fn given(folder: &str) -> Result<Self> {
        let folder = fs::canonicalize(folder).map_err(|error| format!("--lanes {folder}: {error}"))?;
        if !folder.is_dir() {
            return Err(format!("--lanes {}: not a folder", folder.display()).into());
        }
        Ok(Self { folder: Some(folder) })
    }

    /// The folder `lanes` beside the Cargo.toml of a workspace, if there is one.
    pub(crate) fn beside(root: &Path) -> Self {
        Self { folder: Some(root.join("lanes")).filter(|folder| folder.is_dir()) }
    }

    /// As [`Self::beside`], for the workspace of the current folder; no promises outside of one.
    pub(crate) fn here() -> Self {
        let mut locate = cargo();
        locate.args(["locate-project", "--workspace", "--message-format", "plain"]).stderr(Stdio::null());
        let output = locate.output().ok().filter(|output| output.status.success());
        let manifest = output.and_then(|output| String::from_utf8(output.stdout).ok());
        let root = manifest.and_then(|path| Some(Path::new(path.trim()).parent()?.to_owned()));
        root.map_or_else(Self::default, |root| Self::beside(&root))
    }

    /// The file with what a lane promises; one without promises if there is no folder.
    ///
    /// # Errors
    ///
    /// When the folder has no file for the lane.
    pub(crate) fn file(&self, lane: &str) -> Result<PathBuf> {
        let Some(folder) = &self.folder else { return Ok(PathBuf::from(NOTHING)) };
        let path = folder.join(format!("{lane}.txt"));
        if !path.is_file() {
            return Err(format!("{} does not exist: it says what the lane promises", path.display()).into());
        }
        Ok(path)
    }

    /// The text of [`Self::file`].
    pub(crate) fn promises(&self, lane: &str) -> Result<String> {
        let path = self.file(lane)?;
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    /// As [`Self::promises`], of the file in `NL_TESTKIT_PROMISES` if there is one.
    pub(crate) fn promises_asked_for(&self, lane: &str) -> Result<String> {
        match env::var_os("NL_TESTKIT_PROMISES").filter(|path| !path.is_empty()) {
            None => self.promises(lane),
            Some(path) => {
                let path = PathBuf::from(path);
                fs::read_to_string(&path)
                    .map_err(|error| format!("NL_TESTKIT_PROMISES={}: {error}", path.display()).into())
            }
        }
    }

    /// What virtual machines hold beside the kit's own, from `guest.txt` in the folder.
    pub(crate) fn guest(&self) -> Result<Manifest> {
        self.folder
            .as_ref()
            .map_or_else(|| Ok(Manifest::default()), |folder| Manifest::read(&folder.join(GUEST)))
    }

    /// Whether a lane promises a need; a lane without a file promises nothing.
    pub(crate) fn promise(&self, lane: &str, need: &str) -> bool {
        let Ok(need) = Need::parse(need) else { return false };
        let is_it = |line: &str| Need::parse(line).is_ok_and(|promise| need.follows_from(&promise));
        self.promises(lane).is_ok_and(|text| text.lines().any(is_it))
    }
}

const GUEST: &str = "guest.txt";
const NOTHING: &str = "/dev/null";

#[cfg(test)]
mod tests {
    use super::*;

    /// This repository's.
    fn ours() -> Lanes {
        Lanes::beside(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")))
    }

    #[test]
    fn a_workspace_without_a_folder_promises_nothing() {
        let lanes = Lanes::beside(Path::new("/nowhere"));
        assert_eq!(lanes.promises("vm-6.1").unwrap(), "");
        assert!(!lanes.promise("vm-6.1", "link = \"bridge\""));
    }

    #[test]
    fn a_lane_without_a_file_is_an_error_where_others_have_one() {
        let error = ours().promises("no-such-lane").unwrap_err().to_string();
        assert!(error.contains("lanes/no-such-lane.txt does not exist"), "{error}");
        assert!(Lanes::given("/nowhere").is_err());
    }

    #[test]
    fn a_promise_is_a_line_of_the_file() {
        assert!(ours().promise("vm-6.1", "link = \"bridge\""));
        assert!(!ours().promise("vm-6.1", "link = \"odd\""));
        assert!(ours().promise("vm-7", "kernel = \"6.10\""));
        assert!(!ours().promise("vm-6.1", "kernel = \"6.10\""));
    }

    #[test]
    fn every_lane_of_this_repository_has_a_file_of_needs() {
        let lanes = crate::vm::series::ALL.iter().map(|series| series.lane);
        for lane in lanes.chain(["host-root", "host-rootless"]) {
            let text = ours().promises(lane).unwrap();
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                Need::parse(line).unwrap();
            }
        }
    }
}
