//! Names of fields that were met before: what each means is known at once, and which one came behind it.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::super::aliases::ecs_name;

/// So many names are remembered; then all are forgotten.
const MOST_NAMES: usize = 4_096;
/// Longer names are not remembered, and refused.
const MOST_BYTES: usize = 128;

/// What a name means, besides being the name of a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Meaning {
    Plain,
    /// Only an event tells what it says.
    Refused,
    Time,
    /// Product, category or service.
    Source(usize),
    /// A Windows channel; the first counts more.
    Channel(usize),
    /// The id of a Windows event, the same.
    EventId(usize),
    EventType,
    Process,
    Message,
}

impl Meaning {
    fn of(name: &str) -> Self {
        match name {
            "@timestamp" => Self::Time,
            "product" => Self::Source(0),
            "category" => Self::Source(1),
            "service" => Self::Source(2),
            "Channel" => Self::Channel(0),
            "winlog.channel" => Self::Channel(1),
            "EventID" => Self::EventId(0),
            "winlog.event_id" => Self::EventId(1),
            "event.code" => Self::EventId(2),
            "EventType" => Self::EventType,
            "process.name" => Self::Process,
            "message" => Self::Message,
            "event.timezone" | "log.level" | "event.module" | "event.outcome" | "event.action"
            | "source.ip" | "destination.ip" | "secmon.repeat" => Self::Refused,
            name if name.ends_with('#') => Self::Refused,
            _ => Self::Plain,
        }
    }
}

/// The place of a name among those that are known.
pub(super) type Place = u32;

/// The names that one thread has met. What names stand in an object, one by one, is asked of it too.
#[derive(Debug, Default)]
pub(super) struct Names {
    // Whoever sends events chooses names: their hashes must not be foreseen.
    places: HashMap<Box<str>, Place, RandomState>,
    all: Vec<Known>,
    /// The number of the object that is read.
    object: u64,
    /// The name that came last in it.
    last: Option<Place>,
    /// The name that came first in the object before.
    first: Place,
}

#[derive(Debug)]
struct Known {
    /// As it stands in an object, with its colon; empty if escapes stand in it.
    quoted: Box<str>,
    meaning: Meaning,
    /// The name under which an event has it, if that is another.
    ecs: Option<(&'static str, Place)>,
    /// The last object in which it stood, under whatever name.
    object: u64,
    /// The name that came behind it last time.
    next: Place,
}

impl Names {
    /// Begins with the next object.
    pub(super) fn begin(&mut self) {
        if self.all.len() >= MOST_NAMES {
            self.all.clear();
            self.places.clear();
        }
        self.object += 1;
        self.last = None;
    }

    /// The name that stands here with its quotes and its colon, if it is the one that came here last time;
    /// and how long that is.
    pub(super) fn guess(&mut self, rest: &[u8]) -> Option<(Place, usize)> {
        let guess = match self.last {
            Some(last) => self.all.get(last as usize)?.next,
            None => self.first,
        };
        let quoted = self.all.get(guess as usize)?.quoted.as_bytes();
        (!quoted.is_empty() && rest.starts_with(quoted)).then_some((guess, quoted.len()))
    }

    /// The place of a name; none if it is too long.
    pub(super) fn place(&mut self, name: &str) -> Option<Place> {
        if let Some(place) = self.places.get(name) {
            return Some(*place);
        }
        if name.len() > MOST_BYTES {
            return None;
        }
        let ecs = ecs_name(name).filter(|ecs| *ecs != name);
        let ecs = ecs.and_then(|ecs| Some((ecs, self.place(ecs)?)));
        let place = Place::try_from(self.all.len()).ok()?;
        let is_plain = !name.bytes().any(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\'));
        self.all.push(Known {
            quoted: if is_plain { format!("\"{name}\":").into() } else { Box::default() },
            meaning: ecs.map_or_else(|| Meaning::of(name), |(ecs, _)| Meaning::of(ecs)),
            ecs,
            object: 0,
            next: 0,
        });
        self.places.insert(name.into(), place);
        Some(place)
    }

    /// Remembers that a name came behind the one before, for the next guess.
    pub(super) fn follows(&mut self, place: Place) {
        match self.last.and_then(|last| self.all.get_mut(last as usize)) {
            Some(last) => last.next = place,
            None => self.first = place,
        }
        self.last = Some(place);
    }

    /// Enters a name into the object: what it means, and the name that the crate has for it. None if it
    /// stands there twice.
    pub(super) fn enter(&mut self, place: Place) -> Option<(Meaning, Option<&'static str>)> {
        let known = self.all.get(place as usize)?;
        let (meaning, ecs) = (known.meaning, known.ecs);
        let object = self.object;
        let known = self.all.get_mut(ecs.map_or(place, |(_, place)| place) as usize)?;
        if known.object == object {
            return None;
        }
        known.object = object;
        Some((meaning, ecs.map(|(name, _)| name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(names: &mut Names, keys: &[&str]) -> Vec<bool> {
        names.begin();
        let guessed = |key: &&str| {
            let guess = names.guess(format!("\"{key}\": 1").as_bytes());
            let place = names.place(key).unwrap();
            assert!(guess.is_none_or(|(guess, length)| (guess, length) == (place, key.len() + 3)));
            names.follows(place);
            guess.is_some()
        };
        keys.iter().map(guessed).collect()
    }

    #[test]
    fn names_are_guessed_by_those_before_them() {
        let mut names = Names::default();
        assert_eq!(object(&mut names, &["a", "b", "c"]), [false; 3]);
        assert_eq!(object(&mut names, &["a", "b", "c"]), [true; 3]);
        assert_eq!(object(&mut names, &["a", "c", "b"]), [true, false, false]);
        assert_eq!(object(&mut names, &["a", "c", "b"]), [true; 3]);
    }

    #[test]
    fn a_name_with_a_quote_in_it_is_never_guessed() {
        let mut names = Names::default();
        for _ in 0..2 {
            names.begin();
            assert_eq!(names.guess(br#""a":"b": 1"#), None);
            let place = names.place(r#"a":"b"#).unwrap();
            names.follows(place);
        }
    }

    #[test]
    fn a_name_stands_once_in_an_object_whatever_it_is_called() {
        let mut names = Names::default();
        for _ in 0..2 {
            names.begin();
            let [one, other] = ["host", "host.name"].map(|name| names.place(name).unwrap());
            assert_eq!(names.enter(one), Some((Meaning::Plain, Some("host.name"))));
            assert_eq!(names.enter(other), None);
        }
        let [event, id] = ["Channel", "msg"].map(|name| names.place(name).unwrap());
        assert_eq!(names.enter(event), Some((Meaning::Channel(0), None)));
        assert_eq!(names.enter(id), Some((Meaning::Message, Some("message"))));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut names = Names::default();
        for number in 0..3 * MOST_NAMES {
            names.begin();
            let place = names.place(&format!("field-{number}")).unwrap();
            names.follows(place);
            assert!(names.enter(place).is_some());
        }
        assert!(names.all.len() <= MOST_NAMES && names.places.len() <= MOST_NAMES);
        assert_eq!(names.place(&"x".repeat(MOST_BYTES + 1)), None);
    }
}
