//! What verification found, and the words for it.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::json;

/// What is wrong with a record or a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Flaw {
    /// The body is not the one that was sealed.
    Altered,
    /// The MAC does not fit the record and all before it.
    BadMac,
    /// The seal of an epoch is missing, doubled or wrong.
    BadSeal,
    /// The signature of a checkpoint does not verify.
    BadSignature,
    /// A personal value is not the one that the record commits to.
    BadValue,
    /// A stored leaf hash does not fit the tree.
    BadTile,
    /// An indexed column differs from the sealed body.
    ColumnMismatch,
    /// A checkpoint that was kept outside has another root for this size.
    Fork,
    /// There is a record that was never sealed.
    Inserted,
    /// A body, checkpoint or key has not the form that it must have.
    Malformed,
    /// A signing key is named in another place than the last record of a checkpoint.
    MisplacedKey,
    /// A record is not there, and its removal was not announced.
    Missing,
    /// A record stands in another place than that at which it was sealed.
    Reordered,
    /// The store is older than what its key file or an anchor has seen.
    Rollback,
    /// Records at the end are gone.
    Truncated,
    /// What announced a removal is not in the stream, or a personal value is gone that none announced.
    Unannounced,
}

impl Flaw {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Altered => "altered",
            Self::BadMac => "bad_mac",
            Self::BadSeal => "bad_seal",
            Self::BadSignature => "bad_signature",
            Self::BadValue => "bad_value",
            Self::BadTile => "bad_tile",
            Self::ColumnMismatch => "column_mismatch",
            Self::Fork => "fork",
            Self::Inserted => "inserted",
            Self::Malformed => "malformed",
            Self::MisplacedKey => "misplaced_key",
            Self::Missing => "missing",
            Self::Reordered => "reordered",
            Self::Rollback => "rollback",
            Self::Truncated => "truncated",
            Self::Unannounced => "unannounced",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing found wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// What.
    pub flaw: Flaw,
    /// The record, or the size of the checkpoint.
    pub seq: u64,
    /// A sentence.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at record {}: {}", self.flaw, self.seq, self.detail)
    }
}

/// What verification of a stream found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Verdict {
    /// The stream's origin.
    pub origin: String,
    /// How many records were read.
    pub records: u64,
    /// How many records are gone as was announced: their leaves and proofs stay.
    pub expired: u64,
    /// How many records at the beginning were pruned with their leaves, as was announced; a few of the
    /// writer's own stayed of them.
    pub pruned: u64,
    /// How many personal values are erased as was announced.
    pub erased: u64,
    /// How many personal values are there, but encrypted, so that only who has their key can check them.
    pub hidden: u64,
    /// How many checkpoints were verified.
    pub checkpoints: u64,
    /// How many records the last good checkpoint covers; those behind it lie in the open window.
    pub covered: u64,
    /// Whether MACs were checked.
    pub macs_checked: bool,
    /// Records of other streams that announce erasures in this one: the verdict is as good as those on them.
    pub relies_on: Vec<(String, u64)>,
    /// The streams whose checkpoints stand in this one: each must be there.
    pub lists: BTreeSet<String>,
    /// What should be known besides: that a stream was closed, and which record announces that.
    pub notices: Vec<String>,
    /// What was found wrong, the first record first; empty when all is well.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_ok(&self) -> bool {
        self.findings.is_empty()
    }

    /// The verdict as JSON, as the command and Python give it.
    pub fn to_json(&self) -> serde_json::Value {
        let findings = self.findings.iter().map(|finding| {
            json!({"verdict": finding.flaw.as_str(), "seq": finding.seq, "detail": finding.detail})
        });
        json!({
            "origin": self.origin,
            "ok": self.is_ok(),
            "records": self.records,
            "expired": self.expired,
            "pruned": self.pruned,
            "erased": self.erased,
            "hidden": self.hidden,
            "checkpoints": self.checkpoints,
            "covered": self.covered,
            "macs_checked": self.macs_checked,
            "notices": self.notices,
            "findings": findings.collect::<Vec<_>>(),
        })
    }

    /// The first bad record and the reason.
    pub fn first(&self) -> Option<&Finding> {
        self.findings.iter().min_by_key(|finding| finding.seq)
    }
}
