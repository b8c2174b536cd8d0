//! Lanes side by side, in parts so that each processor has a machine until the end.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    fs, io,
    sync::{Mutex, PoisonError},
    thread,
};

use super::{
    Lane,
    vm::{Vm, Work},
};
use crate::{cargo::Workspace, tally::Report};

/// Runs as many machines at once as there is room for, and returns a report for each lane.
pub(crate) fn run_all(lanes: Vec<Vm>, workspace: &Workspace) -> Vec<Report> {
    let places = places();
    for lane in &lanes {
        // What an earlier run left would be taken for a part of this one.
        match fs::remove_dir_all(lane.folder(workspace)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => eprintln!("testkit: {error}"),
            _ => {}
        }
    }
    let parts = lanes
        .into_iter()
        .enumerate()
        .flat_map(|(number, lane)| divide(lane, places).into_iter().map(move |part| (number, part)));
    let parts: Vec<_> = parts.collect();
    let places = places.min(parts.len()).max(1);
    let prefix = places > 1;
    let queue: Mutex<VecDeque<_>> = Mutex::new(parts.into());
    let done: Mutex<BTreeMap<usize, Option<Report>>> = Mutex::default();
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    thread::scope(|scope| {
        for _ in 0..places {
            scope.spawn(|| {
                while let Some((number, part)) = take() {
                    let report = Vm { prefix, ..part }.run(workspace);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    match (done.entry(number).or_default(), report) {
                        (Some(whole), Some(report)) => whole.join(report),
                        (whole, report) => *whole = whole.take().or(report),
                    }
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().flatten().collect()
}

/// A lane in as many parts as there are places, of about as many tests. A short lane stays whole.
fn divide(lane: Vm, places: usize) -> Vec<Vm> {
    let tests = |work: &Work| work.listed.unwrap_or(1);
    let all: usize = lane.works.iter().map(tests).sum();
    let number = places.min(lane.works.len());
    if number < 2 || all < WORTH_IT {
        return vec![lane];
    }
    let mut works: Vec<_> = lane.works.iter().cloned().enumerate().collect();
    works.sort_by_key(|(_, work)| Reverse(tests(work)));
    let mut parts = vec![(0, Vec::new()); number];
    for (at, work) in works {
        let Some((sum, part)) = parts.iter_mut().min_by_key(|(sum, _)| *sum) else { continue };
        *sum += tests(&work);
        part.push((at, work));
    }
    let part = |(number, (_, mut works)): (usize, (usize, Vec<(usize, Work)>))| {
        works.sort_by_key(|(at, _)| *at);
        let works = works.into_iter().map(|(_, work)| work).collect();
        Vm { works, part: Some(number + 1), ..lane.clone() }
    };
    parts.into_iter().enumerate().map(part).collect()
}

/// How many machines fit: one per processor, and twice the memory of one for each.
fn places() -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = memory.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kilobytes.map_or(1, |kilobytes| (kilobytes / (2 << 20)).min(processors))
}

/// Tests, of which a machine runs several in the time it takes to boot another.
const WORTH_IT: usize = 100;
