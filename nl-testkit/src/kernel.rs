//! The running kernel's version, for what differs between kernels.

use std::fs;

/// The first two numbers of the running kernel's version: `(6, 12)` for `6.12.118+deb13-cloud-amd64`.
///
/// # Panics
///
/// When `/proc/sys/kernel/osrelease` cannot be read, or does not begin with two numbers.
#[must_use]
#[track_caller]
pub fn kernel_version() -> (u32, u32) {
    match fs::read_to_string("/proc/sys/kernel/osrelease") {
        Ok(release) => parse(&release).unwrap_or_else(|| fail(&format!("no version in {release:?}"))),
        Err(error) => fail(&format!("read the kernel's version: {error}")),
    }
}

/// What the running kernel gives: `oldest`, or the value of the newest version in the list that it has reached.
///
/// For assertions that accept one value on each kernel, and not either value on all of them:
///
/// ```
/// use nl_testkit::by_kernel;
///
/// # let errno = by_kernel(22, &[((6, 7), 34)]);
/// // EINVAL, since Linux 6.7 ERANGE.
/// assert_eq!(errno, by_kernel(22, &[((6, 7), 34)]));
/// ```
///
/// # Panics
///
/// When the versions are not in ascending order, and as [`kernel_version`].
#[must_use]
#[track_caller]
pub fn by_kernel<T: Clone>(oldest: T, since: &[((u32, u32), T)]) -> T {
    select(kernel_version(), oldest, since)
}

/// Checks that what is said to exist since Linux `major.minor` can be missing here: that the running kernel is older.
///
/// For errors that say from which release on a feature is there: a newer kernel that gives one has another reason, or the release is
/// wrong.
///
/// # Panics
///
/// When the running kernel is that release or a later one, and as [`kernel_version`].
#[track_caller]
pub fn assert_older_than(major: impl Into<u32>, minor: impl Into<u32>) {
    check_older(kernel_version(), (major.into(), minor.into()));
}

#[track_caller]
fn check_older(running: (u32, u32), since: (u32, u32)) {
    assert!(
        running < since,
        "said to need Linux {}.{}, on Linux {}.{}",
        since.0,
        since.1,
        running.0,
        running.1
    );
}

#[track_caller]
fn select<T: Clone>(version: (u32, u32), oldest: T, since: &[((u32, u32), T)]) -> T {
    assert!(since.is_sorted_by(|(a, _), (b, _)| a < b), "the versions are not in ascending order");
    let reached = since.iter().rev().find(|(start, _)| version >= *start);
    reached.map_or(oldest, |(_, value)| value.clone())
}

fn parse(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[track_caller]
#[expect(clippy::panic, reason = "assertion helper")]
fn fail(what: &str) -> ! {
    panic!("{what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_any_distribution_are_read() {
        for (release, version) in
            [("6.12.118+deb13-cloud-amd64\n", (6, 12)), ("7.2-rc1", (7, 2)), ("6.1.0-56-cloud-amd64", (6, 1))]
        {
            assert_eq!(parse(release), Some(version), "{release}");
        }
        assert_eq!(parse("linux"), None);
    }

    #[test]
    fn the_newest_version_reached_counts() {
        let since = [((6, 7), 'b'), ((7, 0), 'c')];
        for (version, value) in [((6, 1), 'a'), ((6, 7), 'b'), ((6, 18), 'b'), ((7, 0), 'c'), ((8, 1), 'c')] {
            assert_eq!(select(version, 'a', &since), value, "{version:?}");
        }
    }

    #[test]
    fn older_kernels_may_lack_what_is_newer() {
        check_older((6, 1), (6, 7));
        check_older((6, 18), (7, 0));
    }

    #[test]
    #[should_panic(expected = "said to need Linux 6.7, on Linux 6.7")]
    fn kernel_that_has_the_feature_fails() {
        check_older((6, 7), (6, 7));
    }

    #[test]
    #[should_panic(expected = "not in ascending order")]
    fn versions_out_of_order_are_refused() {
        select((6, 1), 'a', &[((7, 0), 'c'), ((6, 7), 'b')]);
    }
}
