//! What nobody is to learn, no partner can tell from what it is sent: a classifier that saw thousands
//! of probes guesses.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use drawbridge_servers::{PartnerUser, Probe, User};

use crate::{three_strangers, town};

/// How many probes of each of the two.
const PROBES: usize = 2500;

/// How many are written to by strangers, and by how many of each sort: fewer than may wait at the
/// doors of all.
const RECIPIENTS: usize = 15;
const STRANGERS: usize = 1350;

/// In how many of a hundred cases it may be right; who guesses is so in fifty.
const MOST: f64 = 55.0;

/// How many neighbours are asked.
const NEIGHBOURS: usize = 25;

/// Into how many ranges of equal weight a time is put.
const RANGES: usize = 10;

/// A probe with what it was.
struct Sample {
    times: [f64; 3],
    is_first: bool,
}

#[test]
fn blocked_and_accepted_look_alike() -> Result<()> {
    let town = town()?;
    let (_, bob, carol) = three_strangers(&town)?;
    let bertha = town.xmpp_user("bea")?;
    town.introduces(&[&bob, &bertha, &carol])?;
    // What both are used to: the pace of deliveries must be known.
    for to in [&bob, &bertha] {
        carol.says(to, "hi")?;
        to.hears(&carol, "hi")?;
    }
    town.daemon.asks(&["blocks", "add", bob.id(), carol.id()])?;
    writes_to_both(&carol, bob.id(), bertha.id())
}

/// Whoever writes for the first time waits to be accepted, or only believes so.
#[test]
fn a_blocked_stranger_and_another_look_alike() -> Result<()> {
    let town = town()?;
    let mut recipients = Vec::new();
    let mut blocks = String::new();
    for number in 0..RECIPIENTS {
        let recipient = town.xmpp_user(&format!("bob{number}"))?;
        recipient.asks_bridge("enable birdychat")?;
        let blocked: Vec<String> = (0..STRANGERS)
            .filter(|stranger| stranger % RECIPIENTS == number)
            .map(|stranger| format!("birdychat:blocked{stranger}"))
            .collect();
        let line = serde_json::json!({"user": recipient.id(), "blocks": blocked});
        writeln!(blocks, "{line}")?;
        recipients.push(recipient);
    }
    let file = town.folder().join("blocks.jsonl");
    std::fs::write(&file, blocks)?;
    town.daemon.asks(&["people", "import", &file.display().to_string()])?;
    let mut numbers = [0_usize; 2];
    cannot_tell(2 * STRANGERS * 9 / 10, |is_blocked| {
        let number = &mut numbers[usize::from(is_blocked)];
        let name = if is_blocked { "blocked" } else { "free" };
        let stranger = town.partner_user(&format!("{name}{number}"))?;
        let recipient = recipients[*number % RECIPIENTS].id();
        *number += 1;
        stranger.probes(recipient, "a probe")
    })
}

#[test]
fn opted_out_and_unknown_look_alike() -> Result<()> {
    let town = town()?;
    let (_, bob, carol) = three_strangers(&town)?;
    // He exists, and has said so to the bridge; but not that he wants that app.
    bob.asks_bridge("networks")?;
    writes_to_both(&carol, bob.id(), "xmpp:nev@p.test")
}

/// Whether the two are there or not, who writes to both learns nothing.
fn writes_to_both(prober: &PartnerUser, first: &str, second: &str) -> Result<()> {
    cannot_tell(2 * PROBES, |is_first| {
        prober.probes(if is_first { first } else { second }, "a probe")
    })
}

/// Who probes, of one sort or of the other as it happens, cannot tell them apart afterwards.
fn cannot_tell(probes: usize, mut probe: impl FnMut(bool) -> Result<Probe>) -> Result<()> {
    let mut random = 7_u64;
    let mut samples = Vec::new();
    let mut frames = std::collections::BTreeMap::<String, [usize; 2]>::new();
    for _ in 0..probes {
        // splitmix64: no order that a classifier could learn.
        random = random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let is_first = ((z ^ (z >> 27)) >> 40) & 1 == 0;
        let Probe { times: [ack, outcome], frames: seen } = probe(is_first)?;
        frames.entry(seen).or_default()[usize::from(is_first)] += 1;
        let (ack, outcome) = (ack.as_secs_f64(), outcome.as_secs_f64());
        samples.push(Sample { times: [ack, outcome, outcome - ack], is_first });
    }
    // The same frames; only their order may differ, and not for one of the two alone.
    for (seen, counts) in &frames {
        ensure!(
            counts.iter().all(|count| *count > 0) || counts.iter().sum::<usize>() < 20,
            "{seen}: {counts:?}"
        );
    }
    let (train, test) = samples.split_at(samples.len() / 2);
    let right = |guess: &dyn Fn(&[f64; 3]) -> bool| {
        let shares = test.iter().map(|sample| f64::from(guess(&sample.times) == sample.is_first));
        let (right, all) = shares.fold((0.0, 0.0), |(right, all), one| (right + one, all + 1.0));
        100.0 * right / all
    };
    let bayes = bayes(train);
    let by_ranges = right(&|times| bayes(times));
    let by_neighbours = right(&|times| neighbours(train, times));
    eprintln!("right in {by_ranges:.1} % by ranges, in {by_neighbours:.1} % by neighbours");
    ensure!(by_ranges.max(by_neighbours) <= MOST, "{by_ranges:.1} %, {by_neighbours:.1} %");
    Ok(())
}

/// Naive Bayes over ranges of equal weight.
fn bayes(train: &[Sample]) -> impl Fn(&[f64; 3]) -> bool {
    let bounds: Vec<Vec<f64>> = (0..3)
        .map(|place| {
            let mut all: Vec<f64> = train.iter().map(|sample| sample.times[place]).collect();
            all.sort_by(f64::total_cmp);
            (1..RANGES).map(|range| all[range * all.len() / RANGES]).collect()
        })
        .collect();
    let range_of =
        move |place: usize, time: f64| bounds[place].iter().filter(|bound| time >= **bound).count();
    let mut counts = vec![[[1.0_f64; 2]; RANGES]; 3];
    let mut classes = [1.0_f64; 2];
    for sample in train {
        let class = usize::from(sample.is_first);
        classes[class] += 1.0;
        for place in 0..3 {
            counts[place][range_of(place, sample.times[place])][class] += 1.0;
        }
    }
    move |times| {
        let weight = |class: usize| {
            let of = |place: usize| {
                (counts[place][range_of(place, times[place])][class] / classes[class]).ln()
            };
            classes[class].ln() + (0..3).map(of).sum::<f64>()
        };
        weight(1) > weight(0)
    }
}

/// What most of the nearest were, in logarithms: a millisecond means less among many.
fn neighbours(train: &[Sample], times: &[f64; 3]) -> bool {
    let log = |time: f64| time.max(1e-6).ln();
    let distance = |sample: &Sample| {
        (0..3).map(|place| (log(sample.times[place]) - log(times[place])).powi(2)).sum::<f64>()
    };
    let mut near: Vec<(f64, bool)> =
        train.iter().map(|sample| (distance(sample), sample.is_first)).collect();
    near.select_nth_unstable_by(NEIGHBOURS, |one, other| one.0.total_cmp(&other.0));
    2 * near[..NEIGHBOURS].iter().filter(|(_, is_first)| *is_first).count() > NEIGHBOURS
}
