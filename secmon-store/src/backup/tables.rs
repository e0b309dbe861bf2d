//! What a backup holds: the tables, their columns and the order of their rows.

/// What a column holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Int,
    Text,
    Bytes,
}
use Kind::{Bytes, Int, Text};

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Kind)],
    /// How many of the columns are the key, by which rows are ordered.
    pub(super) key: usize,
}

/// Tables that schemas of before do not have, and the change that made them.
pub(super) const LATER: &[(&str, &str)] = &[("uncounted", "0010"), ("leases", "0010")];

/// All but sessions, what is made anew (filters of text search), and what only tells triggers what they may allow.
/// Streams come last: without them a store that was filled halfway holds nothing.
#[rustfmt::skip]
pub(super) const TABLES: &[Table] = &[
    Table { name: "records", key: 2, columns: &[
        ("stream_no", Int), ("seq", Int), ("ts", Int), ("expires", Int), ("level", Int), ("category", Text),
        ("host", Text), ("source_ip", Text), ("user_name", Text), ("action", Text), ("outcome", Text),
        ("body", Bytes), ("mac", Bytes)] },
    Table { name: "tiles", key: 3, columns: &[
        ("stream_no", Int), ("level", Int), ("idx", Int), ("hashes", Bytes)] },
    Table { name: "checkpoints", key: 2, columns: &[
        ("stream_no", Int), ("size", Int), ("epoch", Int), ("mac", Bytes), ("note", Text), ("issued_at", Int)] },
    Table { name: "seals", key: 2, columns: &[
        ("stream_no", Int), ("epoch", Int), ("size", Int), ("mac", Bytes)] },
    Table { name: "removals", key: 3, columns: &[("stream_no", Int), ("block", Int), ("seq", Int)] },
    Table { name: "kept_proofs", key: 2, columns: &[("stream_no", Int), ("seq", Int), ("path", Bytes)] },
    Table { name: "block_macs", key: 2, columns: &[("stream_no", Int), ("block", Int), ("mac", Bytes)] },
    Table { name: "holds", key: 3, columns: &[("stream_no", Int), ("held", Int), ("seq", Int), ("day", Int)] },
    Table { name: "subjects", key: 1, columns: &[
        ("token", Bytes), ("kind", Text), ("ciphertext", Bytes), ("key_id", Int)] },
    Table { name: "erasable_values", key: 3, columns: &[
        ("stream_no", Int), ("seq", Int), ("field", Text), ("salt", Bytes), ("token", Bytes)] },
    Table { name: "erasures", key: 3, columns: &[("of_stream", Int), ("stream_no", Int), ("seq", Int)] },
    Table { name: "anchors", key: 4, columns: &[
        ("stream_no", Int), ("size", Int), ("kind", Text), ("place", Text), ("at", Int), ("evidence", Text)] },
    Table { name: "witnessed", key: 1, columns: &[
        ("origin", Text), ("size", Int), ("root", Bytes), ("note", Text), ("at", Int)] },
    Table { name: "hosts", key: 2, columns: &[
        ("stream_no", Int), ("name", Text), ("first_seen", Int), ("last_seen", Int), ("events", Int)] },
    Table { name: "signals", key: 2, columns: &[("stream_no", Int), ("no", Int), ("log", Bytes)] },
    Table { name: "uncounted", key: 2, columns: &[("stream_no", Int), ("no", Int), ("at", Int), ("log", Bytes)] },
    Table { name: "leases", key: 1, columns: &[
        ("name", Text), ("holder", Text), ("epoch", Int), ("expires", Int), ("logged", Int)] },
    Table { name: "rule_states", key: 3, columns: &[
        ("stream_no", Int), ("rule", Text), ("part", Int), ("settings", Bytes), ("logged", Int), ("state", Text)] },
    Table { name: "detections", key: 1, columns: &[
        ("id", Bytes), ("stream_no", Int), ("seq", Int), ("rule", Text), ("title", Text), ("level", Int), ("ts", Int),
        ("grp", Text), ("reason", Text)] },
    Table { name: "incidents", key: 1, columns: &[
        ("id", Text), ("open_key", Bytes), ("rule", Text), ("title", Text), ("level", Int), ("state", Text),
        ("grp", Text), ("stream_no", Int), ("count", Int), ("first_ts", Int), ("last_ts", Int), ("evidence", Text),
        ("reason", Text)] },
    Table { name: "outbox", key: 1, columns: &[("no", Int), ("incident", Text), ("kind", Text), ("at", Int)] },
    Table { name: "receipts", key: 2, columns: &[
        ("key", Bytes), ("part", Int), ("body", Bytes), ("stream_no", Int), ("first_seq", Int), ("last_seq", Int),
        ("at", Int)] },
    Table { name: "rollups", key: 4, columns: &[
        ("stream_no", Int), ("hour", Int), ("field", Text), ("value", Text), ("count", Int)] },
    Table { name: "inputs", key: 1, columns: &[
        ("name", Text), ("fingerprint", Bytes), ("head", Int), ("position", Int), ("lines", Int)] },
    Table { name: "tokens", key: 1, columns: &[
        ("hash", Bytes), ("name", Text), ("scope", Text), ("created_at", Int)] },
    Table { name: "streams", key: 1, columns: &[
        ("stream_no", Int), ("stream_id", Bytes), ("origin", Text), ("label", Text), ("genesis_vkey", Text),
        ("size", Int), ("root", Bytes), ("frontier", Bytes), ("last_mac", Bytes), ("mac_epoch", Int),
        ("sig_epoch", Int), ("last_at", Int), ("logged", Int), ("closed", Int), ("k0_box", Bytes),
        ("stream_vkey", Text), ("pruned_to", Int), ("pruned_range", Bytes), ("pruned_mac", Bytes),
        ("pruned_epoch", Int)] },
];
