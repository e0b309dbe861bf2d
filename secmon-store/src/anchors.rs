//! Anchors: where checkpoints were put outside the database, so that a rollback of all of it is noticed.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::connection::on;
use crate::schema::anchors;
use crate::streams::StreamRow;
use crate::{Result, Store, micros, signed, time, unsigned};

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = anchors)]
struct Row {
    stream_no: i64,
    size: i64,
    kind: String,
    place: String,
    at: i64,
    evidence: String,
}

/// A checkpoint that was put somewhere outside.
#[derive(Clone, Debug)]
pub struct Anchor {
    /// The id of the stream.
    pub stream: String,
    /// How many records the checkpoint covers.
    pub size: u64,
    /// `file`, `syslog` or `witness`.
    pub kind: String,
    /// The file or address.
    pub place: String,
    /// When.
    pub at: DateTime<Utc>,
    /// What the place answered.
    pub evidence: String,
}

impl Store {
    /// Notes that a checkpoint was put somewhere. Of each place only the last of a stream is kept.
    pub fn add_anchor(&self, stream: &StreamRow, anchor: &Anchor) -> Result<()> {
        let row = Row {
            stream_no: stream.stream_no,
            size: signed(anchor.size),
            kind: anchor.kind.clone(),
            place: anchor.place.clone(),
            at: micros(anchor.at),
            evidence: anchor.evidence.clone(),
        };
        self.read(|db| {
            db.transaction(|db| {
                let older = anchors::table.filter(
                    anchors::stream_no
                        .eq(row.stream_no)
                        .and(anchors::kind.eq(&row.kind))
                        .and(anchors::place.eq(&row.place)),
                );
                on!(db, c => diesel::delete(older).execute(c))?;
                on!(db, c => diesel::insert_into(anchors::table).values(&row).execute(c))?;
                Ok(())
            })
        })
    }

    /// Where checkpoints were put, the last of each stream and place.
    pub fn anchors(&self) -> Result<Vec<Anchor>> {
        let streams = self.streams()?;
        let query = anchors::table.order((anchors::at.desc(), anchors::stream_no, anchors::place));
        let rows: Vec<Row> =
            self.read(|db| Ok(on!(db, c => query.select(Row::as_select()).load(c))?))?;
        let anchor = |row: Row| {
            let stream = streams.iter().find(|stream| stream.stream_no == row.stream_no)?;
            Some(Anchor {
                stream: stream.id(),
                size: unsigned(row.size),
                kind: row.kind,
                place: row.place,
                at: time(row.at),
                evidence: row.evidence,
            })
        };
        Ok(rows.into_iter().filter_map(anchor).collect())
    }
}
