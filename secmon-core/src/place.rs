//! `Place`: where a record stands.

use serde::{Deserialize, Serialize};

/// Where a record stands: in which stream, and at which index of it. In a scan the index is that of the line, from 0.
///
/// As JSON it is the index alone where the stream goes without saying, else stream and index.
///
/// ```
/// use secmon_core::Place;
///
/// let places: Vec<Place> = serde_json::from_str("[7, [3, 7]]")?;
/// assert_eq!(places, [Place::own(7), Place { stream: 3, seq: 7 }]);
/// assert_eq!(serde_json::to_string(&places)?, "[7,[3,7]]");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(from = "Written", into = "Written")]
pub struct Place {
    /// The number of the stream in its store; 0 for the stream at hand.
    pub stream: i64,
    /// The index.
    pub seq: u64,
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Written {
    Own(u64),
    Of(i64, u64),
}

impl Place {
    /// In the stream at hand.
    pub fn own(seq: u64) -> Self {
        Self { stream: 0, seq }
    }

    /// The same with the number of the stream at hand, if it is there.
    #[must_use]
    pub fn within(self, stream: i64) -> Self {
        if self.stream == 0 { Self { stream, ..self } } else { self }
    }
}

impl From<Written> for Place {
    fn from(written: Written) -> Self {
        match written {
            Written::Own(seq) => Self::own(seq),
            Written::Of(stream, seq) => Self { stream, seq },
        }
    }
}

impl From<Place> for Written {
    fn from(Place { stream, seq }: Place) -> Self {
        if stream == 0 { Self::Own(seq) } else { Self::Of(stream, seq) }
    }
}
