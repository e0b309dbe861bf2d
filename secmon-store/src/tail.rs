//! The end of a stream, checked before a writer goes on with it: what it signs next must not cover what somebody
//! else put there.

use diesel::prelude::*;
use secmon_core::seal::{Head, KeyFile, Sealer, first_mac};

use crate::connection::{Db, on};
use crate::records::walk;
use crate::schema::checkpoints;
use crate::streams::StreamRow;
use crate::{Result, signed, tiles, unsigned};

/// Rows read at once.
const CHUNK: i64 = 2_000;

/// Seals what lies behind the key file's last state again, with its key; says what is wrong if that does not
/// give the state that the database claims.
pub(crate) fn check(
    db: &mut Db,
    stream: &StreamRow,
    head: &Head,
    keys: &KeyFile,
) -> Result<Option<String>> {
    let changed = |what: &str| Ok(Some(format!("{what} behind record {} was changed", keys.size)));
    let Some(tree) = tiles::tree(db, stream.stream_no, keys.size)? else {
        return Ok(Some("its tiles are damaged".into()));
    };
    if keys.root().is_none_or(|root| root != tree.root()) {
        return Ok(Some(format!(
            "the first {} records are not those that the key file has seen",
            keys.size
        )));
    }
    if keys.size == head.tree.size() && keys.mac_epoch == head.mac_epoch {
        return Ok((tree != head.tree).then(|| "its row in the database was changed".into()));
    }
    let last_mac = match keys.size.checked_sub(1) {
        Some(last) => {
            let row = walk(db, stream.stream_no, signed(last), 1)?.into_iter().next();
            row.filter(|row| unsigned(row.seq) == last).and_then(|row| row.mac.try_into().ok())
        }
        None => Some(first_mac(&stream.origin)),
    };
    let Some(last_mac) = last_mac else {
        return changed("the record in front of what lies");
    };
    let begin = Head { tree, last_mac, mac_epoch: keys.mac_epoch, ..head.clone() };
    let mut sealer = Sealer::resume(&stream.origin, begin, keys)?;
    let mut ends = checkpoint_sizes(db, stream.stream_no, keys.mac_epoch)?.into_iter().peekable();
    loop {
        while ends.next_if(|end| *end <= sealer.head().tree.size()).is_some() {
            sealer.checkpoint();
        }
        let from = sealer.head().tree.size();
        if from >= head.tree.size() {
            break;
        }
        let until = ends.peek().copied().unwrap_or(u64::MAX).min(head.tree.size());
        let most = signed(until - from).min(CHUNK);
        let rows = walk(db, stream.stream_no, signed(from), most)?;
        if rows.is_empty() {
            return changed("a record");
        }
        for row in &rows {
            let next = sealer.head().tree.size();
            let (_, mac) = sealer.seal(&row.body);
            if unsigned(row.seq) != next || row.mac != mac {
                return changed("a record");
            }
        }
    }
    let same = sealer.head().tree == head.tree
        && sealer.head().last_mac == head.last_mac
        && sealer.head().mac_epoch == head.mac_epoch;
    if same { Ok(None) } else { changed("the state") }
}

/// Where the epochs from this one on ended.
fn checkpoint_sizes(db: &mut Db, stream_no: i64, epoch: u64) -> Result<Vec<u64>> {
    let own = checkpoints::stream_no.eq(stream_no).and(checkpoints::epoch.ge(signed(epoch)));
    let query = checkpoints::table.filter(own).order(checkpoints::size).select(checkpoints::size);
    let sizes: Vec<i64> = on!(db, c => query.load(c))?;
    Ok(sizes.into_iter().map(unsigned).collect())
}
