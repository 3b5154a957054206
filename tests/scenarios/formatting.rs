//! What is formatted on one network, as it is shown on the next: golden files, one for each pair.
//!
//! `DRAWBRIDGE_REGENERATE=1` writes them anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use drawbridge_servers::PATIENCE;

use crate::{six, three, town};

#[test]
fn formatting_is_shown_as_it_was_before() -> Result<()> {
    let town = town()?;
    let (alice, bob, carol) = three(&town)?;
    let mut other = Vec::new();
    for (from, to) in six([&alice, &bob, &carol]) {
        let (source, target) = (from.network(), to.network());
        let mut page = String::new();
        for (case, written) in cases(source)? {
            from.writes_marked(to, &written)?;
            let heard = to.next_message(PATIENCE).with_context(|| format!("{source}: {case}"))?;
            let shown = to.shows_marked(&heard.id)?;
            write!(page, "=== {case}\n--- {source}\n{written}\n--- {target}\n{shown}\n")?;
        }
        let name = format!("{source}-{target}.txt");
        let file = folder().join(&name);
        if std::env::var_os("DRAWBRIDGE_REGENERATE").is_some() {
            std::fs::write(&file, page)?;
        } else if std::fs::read_to_string(&file).ok().as_deref() != Some(page.as_str()) {
            std::fs::write(town.folder().join(&name), &page)?;
            other.push(format!("{name}:\n{page}"));
        }
    }
    ensure!(other.is_empty(), "shown in another way than before:\n{}", other.join("\n"));
    Ok(())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/golden")
}

/// What is written on a network, in its own form, each under its name.
fn cases(network: &str) -> Result<Vec<(String, String)>> {
    let all = std::fs::read_to_string(folder().join(format!("{network}.in")))?;
    let case = |part: &str| {
        let (name, written) = part.split_once('\n')?;
        Some((name.to_owned(), written.trim_end().to_owned()))
    };
    Ok(all.split("=== ").filter_map(case).collect())
}
