//! Random trees, each in two forms: as a [`Tree`], and as the `tc` commands that create it on an empty device.

use std::collections::BTreeMap;
use std::time::Duration;

use nl_tc::class::ClassConfig;
use nl_tc::drr::{DrrClassConfig, DrrConfig};
use nl_tc::ets::{EtsClassConfig, EtsConfig};
use nl_tc::hfsc::{HfscClassConfig, HfscConfig, ServiceCurve};
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::leaf::{BfifoConfig, FqCodelConfig, NetemConfig, PfifoConfig, SfqConfig, TbfConfig};
use nl_tc::qdisc::QdiscConfig;
use nl_tc::qfq::{QfqClassConfig, QfqConfig};
use nl_tc::tree::Tree;
use nl_tc::{Rate, TcHandle};

/// A configuration, and its words in `tc` from the kind on.
#[derive(Clone, Debug)]
struct Said<T> {
    words: String,
    config: T,
}

fn said<T>(words: impl Into<String>, config: impl Into<T>) -> Said<T> {
    Said { words: words.into(), config: config.into() }
}

/// Rates at which a burst is a whole number of microseconds, because an old `tc` rounds down to them.
const RATES: [u64; 7] = [1, 2, 4, 5, 10, 20, 40];
const CLASSFUL: [&str; 5] = ["htb", "hfsc", "drr", "qfq", "ets"];

/// SplitMix64.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `n`.
    pub(crate) fn below(&mut self, n: u16) -> u16 {
        u16::try_from(self.next() % u64::from(n)).unwrap()
    }

    pub(crate) fn one_in(&mut self, n: u16) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let at = self.below(u16::try_from(all.len()).unwrap());
        &all[usize::from(at)]
    }
}

/// A qdisc with classes, and their qdiscs.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    handle: TcHandle,
    qdisc: Said<QdiscConfig>,
    /// By minor number, with the minor number of the parent, 0 for the qdisc.
    classes: BTreeMap<u16, (u16, Said<ClassConfig>)>,
    leaves: BTreeMap<u16, Leaf>,
}

/// The qdisc of a class, or a whole tree.
#[derive(Clone, Debug)]
enum Leaf {
    /// With 0 the kernel chooses the handle.
    Plain(u16, Box<Said<QdiscConfig>>),
    Tree(Box<Wish>),
}

impl Wish {
    /// With these kinds.
    pub(crate) fn random(random: &mut Random, kinds: &[&str]) -> Self {
        let major = 1 + random.below(2);
        Self::of_depth(random, kinds, major, 1)
    }

    fn of_depth(random: &mut Random, kinds: &[&str], major: u16, depth: u8) -> Self {
        let classful: Vec<_> = kinds.iter().copied().filter(|kind| CLASSFUL.contains(kind)).collect();
        let kind = *random.pick(&classful);
        let mut wish = Self {
            handle: TcHandle::new(major, 0),
            qdisc: qdisc(random, kind),
            classes: BTreeMap::new(),
            leaves: BTreeMap::new(),
        };
        if let QdiscConfig::Ets(_) = wish.qdisc.config {
            wish.bands(random);
        } else {
            for _ in 0..random.below(if depth == 0 { 3 } else { 8 }) {
                wish.add(random);
            }
            wish.own(random);
        }
        wish.hang(random, kinds, depth);
        wish
    }

    /// The same with some changes.
    pub(crate) fn changed(&self, random: &mut Random, kinds: &[&str]) -> Self {
        let mut wish = self.clone();
        let kind = wish.qdisc.config.kind().to_owned();
        if random.one_in(4) {
            wish.qdisc = qdisc(random, &kind);
        }
        if kind == "ets" {
            wish.bands(random);
            let bands: Vec<_> = wish.places();
            wish.leaves.retain(|minor, _| bands.contains(minor));
        } else {
            for (_, class) in wish.classes.values_mut() {
                if random.one_in(2) {
                    *class = roll(random, &kind);
                }
            }
            let leaves = wish.places();
            if !leaves.is_empty() && random.one_in(2) {
                let gone = random.pick(&leaves);
                wish.classes.remove(gone);
                wish.leaves.remove(gone);
            }
            if random.one_in(2) {
                wish.add(random);
            }
            wish.own(random);
        }
        if random.one_in(3) {
            wish.leaves.clear();
            wish.hang(random, kinds, 1);
        }
        wish
    }

    fn kind(&self) -> &str {
        self.qdisc.config.kind()
    }

    /// One more class.
    fn add(&mut self, random: &mut Random) {
        let minor = 1 + random.below(8);
        let above: Vec<_> = self.classes.keys().copied().chain([0]).collect();
        let parent = if matches!(self.kind(), "htb" | "hfsc") { *random.pick(&above) } else { 0 };
        let class = roll(random, self.kind());
        self.classes.entry(minor).or_insert((parent, class));
        // A class with children has no qdisc.
        self.leaves.remove(&parent);
    }

    /// The root class of HFSC, which is changed and not added, or not touched.
    fn own(&mut self, random: &mut Random) {
        if self.kind() == "hfsc" && random.one_in(3) {
            let class = roll(random, "hfsc");
            self.classes.insert(0, (0, class));
        } else if random.one_in(4) {
            self.classes.remove(&0);
        }
    }

    /// The ETS bands that are not strict and whose quantum the qdisc does not set.
    fn bands(&mut self, random: &mut Random) {
        let QdiscConfig::Ets(ets) = &self.qdisc.config else { return };
        let said = u16::from(ets.strict) + u16::try_from(ets.quanta.len()).unwrap();
        self.classes.clear();
        for minor in said + 1..=u16::from(ets.bands) {
            self.classes.insert(minor, (0, roll(random, "ets")));
        }
    }

    /// The possible parents.
    fn places(&self) -> Vec<u16> {
        match &self.qdisc.config {
            QdiscConfig::Ets(ets) => (1..=ets.bands.into()).collect(),
            _ => {
                let inner: Vec<_> = self.classes.values().map(|(parent, _)| *parent).collect();
                self.classes.keys().copied().filter(|minor| *minor != 0 && !inner.contains(minor)).collect()
            }
        }
    }

    fn hang(&mut self, random: &mut Random, kinds: &[&str], depth: u8) {
        let plain: Vec<_> = kinds.iter().copied().filter(|kind| !CLASSFUL.contains(kind)).collect();
        let mut names: Vec<u16> = (0x11..0x16).collect();
        for minor in self.places() {
            if !random.one_in(2) {
                continue;
            }
            let at = random.below(u16::try_from(names.len()).unwrap());
            let leaf = if depth > 0 && names.len() > 2 && random.one_in(4) {
                let name = names.remove(at.into());
                Leaf::Tree(Box::new(Self::of_depth(random, kinds, name, depth - 1)))
            } else if depth == 0 || names.len() < 3 || random.one_in(3) {
                Leaf::Plain(0, Box::new(leaf(random, &plain)))
            } else {
                Leaf::Plain(names.remove(at.into()), Box::new(leaf(random, &plain)))
            };
            self.leaves.insert(minor, leaf);
        }
    }

    /// The handles of the qdiscs with classes.
    pub(crate) fn handles(&self) -> Vec<TcHandle> {
        let below = self.leaves.values().flat_map(|leaf| match leaf {
            Leaf::Plain(..) => Vec::new(),
            Leaf::Tree(wish) => wish.handles(),
        });
        std::iter::once(self.handle).chain(below).collect()
    }

    /// For qdiscs without a desired handle.
    pub(crate) fn unnamed(&self) -> Vec<TcHandle> {
        let places = self.leaves.iter().flat_map(|(minor, leaf)| match leaf {
            Leaf::Plain(0, _) => vec![self.handle.class(*minor)],
            Leaf::Plain(..) => Vec::new(),
            Leaf::Tree(wish) => wish.unnamed(),
        });
        places.collect()
    }

    /// As configured.
    pub(crate) fn tree(&self) -> Tree {
        self.add_to(Tree::new(), TcHandle::ROOT)
    }

    fn add_to(&self, tree: Tree, place: TcHandle) -> Tree {
        let mut tree = tree.qdisc(place, self.handle, self.qdisc.config.clone());
        // In any order.
        for (minor, (parent, class)) in &self.classes {
            tree = tree.class(self.handle.class(*parent), self.handle.class(*minor), class.config.clone());
        }
        for (minor, leaf) in &self.leaves {
            let class = self.handle.class(*minor);
            tree = match leaf {
                Leaf::Plain(name, said) => tree.qdisc(class, TcHandle::new(*name, 0), said.config.clone()),
                Leaf::Tree(wish) => wish.add_to(tree, class),
            };
        }
        tree
    }

    /// The words for `tc`.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.ordered("root".into())
    }

    fn ordered(&self, place: String) -> Vec<String> {
        let handle = self.handle;
        let mut commands = vec![format!("qdisc add dev eth0 {place} handle {handle} {}", self.qdisc.words)];
        let verb = if self.kind() == "ets" { "change" } else { "add" };
        let (mut made, mut left) = (vec![0], self.classes.clone());
        while !left.is_empty() {
            let before = left.len();
            left.retain(|minor, (parent, class)| {
                if !made.contains(parent) {
                    return true;
                }
                let (parent, class_id) = (handle.class(*parent), handle.class(*minor));
                let words = &class.words;
                commands.push(match minor {
                    0 => format!("class change dev eth0 classid {class_id} {words}"),
                    _ => format!("class {verb} dev eth0 parent {parent} classid {class_id} {words}"),
                });
                made.push(*minor);
                false
            });
            assert!(left.len() < before, "{left:?}");
        }
        for (minor, leaf) in &self.leaves {
            let place = format!("parent {}", handle.class(*minor));
            match leaf {
                Leaf::Plain(0, said) => commands.push(format!("qdisc add dev eth0 {place} {}", said.words)),
                Leaf::Plain(name, said) => {
                    commands.push(format!("qdisc add dev eth0 {place} handle {name:x}: {}", said.words));
                }
                Leaf::Tree(wish) => commands.extend(wish.ordered(place)),
            }
        }
        commands
    }
}

/// Options that vary are always set, because unset options stay as they are.
fn qdisc(random: &mut Random, kind: &str) -> Said<QdiscConfig> {
    match kind {
        "htb" => {
            let (class, r2q) = (random.below(3), u32::from(9 + random.below(2)));
            let config = HtbConfig::new().default_class(class).r2q(r2q);
            said(format!("htb default {class:x} r2q {r2q}"), config)
        }
        "hfsc" => {
            let class = random.below(3);
            said(format!("hfsc default {class:x}"), HfscConfig::new().default_class(class))
        }
        "drr" => said("drr", DrrConfig::new()),
        "qfq" => said("qfq", QfqConfig::new()),
        _ => {
            let bands = 2 + random.below(5);
            let strict = random.below(bands + 1);
            let quanta: Vec<u32> =
                (0..random.below(bands - strict + 1)).map(|_| 1000 + u32::from(random.below(3))).collect();
            let priomap: Vec<u16> = (0..1 + random.below(16)).map(|_| random.below(bands)).collect();
            let join = |numbers: Vec<String>| numbers.join(" ");
            let mut words = format!("ets bands {bands}");
            if strict != 0 {
                words += &format!(" strict {strict}");
            }
            if !quanta.is_empty() {
                words += &format!(" quanta {}", join(quanta.iter().map(u32::to_string).collect()));
            }
            words += &format!(" priomap {}", join(priomap.iter().map(u16::to_string).collect()));
            let byte = |n: u16| u8::try_from(n).unwrap();
            let config = EtsConfig::new(byte(bands)).strict(byte(strict)).quanta(quanta);
            said(words, config.priomap(priomap.into_iter().map(byte)))
        }
    }
}

fn roll(random: &mut Random, kind: &str) -> Said<ClassConfig> {
    match kind {
        "htb" => {
            let (rate, more, prio) = (*random.pick(&RATES), *random.pick(&RATES), random.below(3));
            let ceil = rate.max(more);
            let mut words = format!("htb rate {rate}mbit ceil {ceil}mbit prio {prio}");
            let mut config =
                HtbClassConfig::new(Rate::mbit(rate)).ceil(Rate::mbit(ceil)).prio(u32::from(prio));
            if random.one_in(2) {
                let quantum = 2000 + u32::from(random.below(3));
                words += &format!(" quantum {quantum}");
                config = config.quantum(quantum);
            }
            if random.one_in(3) {
                words += " burst 16000";
                config = config.burst(16_000);
            }
            said(words, config)
        }
        "hfsc" => {
            let rate = *random.pick(&RATES[..3]);
            let (config, mbit) = (HfscClassConfig::new(), Rate::mbit(rate));
            let piece = ServiceCurve::two_piece(Rate::mbit(40), Duration::from_millis(10), mbit);
            let pieces = format!("m1 40mbit d 10ms m2 {rate}mbit");
            match random.below(6) {
                0 => said(format!("hfsc rt m2 {rate}mbit"), config.real_time(mbit)),
                1 => said(format!("hfsc ls m2 {rate}mbit"), config.link_share(mbit)),
                2 => said(format!("hfsc sc m2 {rate}mbit"), config.service(mbit)),
                3 => said(format!("hfsc sc {pieces}"), config.service(piece)),
                4 => said(
                    format!("hfsc rt {pieces} ls m2 {rate}mbit"),
                    config.real_time(piece).link_share(mbit),
                ),
                _ => said(
                    format!("hfsc sc m2 {rate}mbit ul m2 40mbit"),
                    config.service(mbit).upper_limit(Rate::mbit(40)),
                ),
            }
        }
        "drr" => {
            let quantum = 1000 + u32::from(random.below(3));
            said(format!("drr quantum {quantum}"), DrrClassConfig::new().quantum(quantum))
        }
        "qfq" => {
            let (weight, maxpkt) = (1 + u32::from(random.below(3)), 2000 + u32::from(random.below(2)));
            said(format!("qfq weight {weight} maxpkt {maxpkt}"), QfqClassConfig::new(weight).maxpkt(maxpkt))
        }
        _ => {
            let quantum = 3000 + u32::from(random.below(3));
            said(format!("ets quantum {quantum}"), EtsClassConfig::new(quantum))
        }
    }
}

fn leaf(random: &mut Random, kinds: &[&str]) -> Said<QdiscConfig> {
    let n = u32::from(1 + random.below(3));
    match *random.pick(kinds) {
        "pfifo" => said(format!("pfifo limit {n}"), PfifoConfig::new().limit(n)),
        "bfifo" => said(format!("bfifo limit {}", 5000 + n), BfifoConfig::new().limit(5000 + n)),
        "fq_codel" => {
            let flows = 16 * n.min(2);
            let config = FqCodelConfig::new().limit(100 + n).flows(flows);
            said(format!("fq_codel limit {} flows {flows}", 100 + n), config)
        }
        "sfq" => said(format!("sfq limit {} flows 16", 40 + n), SfqConfig::new().limit(40 + n).flows(16)),
        "netem" => {
            let config = NetemConfig::new().limit(50).delay(Duration::from_millis(n.into()));
            said(format!("netem limit 50 delay {n}ms"), config)
        }
        _ => {
            let rate = *random.pick(&RATES);
            let config = TbfConfig::new(Rate::mbit(rate), 16_000).limit(20_000 + n);
            said(format!("tbf rate {rate}mbit burst 16000 limit {}", 20_000 + n), config)
        }
    }
}
