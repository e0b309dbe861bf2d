//! Seal a log, change one word of it, and find the record.

use secmon_core::Ruleset;
use secmon_store::Store;

fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("secmon.db");
    let store = Store::open(&format!("sqlite://{}", path.display()))?;
    let now = "2026-11-20T12:00:00Z".parse()?;
    let ruleset = Ruleset::builtin();
    let mut writer = store.writer("example", ruleset.clone(), now)?;
    let lines = ["the first line", "the second line", "the third line"];
    writer.write(ruleset.prepare_lines(lines, now), now)?;
    writer.close(now)?;
    println!("untouched: {:?}", store.verify(&Default::default())?[0].first());

    let attacker = rusqlite::Connection::open(&path)?;
    attacker.execute_batch(
        "DROP TRIGGER records_update;
         UPDATE records SET body = CAST(replace(CAST(body AS TEXT), 'second', 'other') AS BLOB);",
    )?;
    for finding in &store.verify(&Default::default())?[0].findings {
        println!("changed: {finding}");
    }
    Ok(())
}
