//! Bringing a schema up to date: what is there is kept before it changes.

use diesel::backend::Backend;
use diesel::migration::{Migration, MigrationSource};

#[cfg(feature = "mysql")]
use super::mysql;
use super::{Db, Location, Place, sqlite};
use crate::{Error, Result};

impl Location {
    /// Opens a connection behind bringing the schema up to date. A file is copied before, a database on a server kept by
    /// `keep`, which is told the last change that was made.
    #[cfg_attr(
        not(feature = "mysql"),
        expect(unused_variables, reason = "a file is copied as it is")
    )]
    pub(crate) fn open(&self, create: bool, keep: &dyn Fn(&str) -> Result<()>) -> Result<Db> {
        let failed = |reason| self.failed(reason);
        match &self.place {
            Place::Sqlite(place) => {
                let mut db = place.connect(create).map_err(failed)?;
                sqlite::check(&mut db, create).map_err(failed)?;
                let applied = sqlite::applied(&mut db).map_err(failed)?;
                self.check(&applied)?;
                if next::<diesel::sqlite::Sqlite>(&sqlite::MIGRATIONS, &applied, None).is_some() {
                    place.update(&mut db, applied.iter().max()).map_err(failed)?;
                }
                Ok(Db::Sqlite(Box::new(db)))
            }
            #[cfg(feature = "mysql")]
            Place::Mysql(place) => {
                let mut db = place.connect(mysql::LONG).map_err(failed)?;
                let applied =
                    mysql::applied(&mut db).map_err(|error| self.failed(error.to_string()))?;
                self.check(&applied)?;
                if applied.is_empty() && !create {
                    return Err(self.failed("there is no store in it".into()));
                }
                mysql::Place::migrate(&mut db, None, keep).map_err(failed)?;
                // That one had the patience of who changes a schema.
                self.connect(create)
            }
        }
    }

    /// Makes the schema up to a change, or all of it, where nothing is that must be kept. What is there already takes no
    /// right to make anything.
    ///
    /// # Errors
    /// [`Error::Open`]: what is there has seen later changes.
    pub(crate) fn make(&self, last: Option<&str>) -> Result<()> {
        let failed = |reason| self.failed(reason);
        let applied = match &self.place {
            Place::Sqlite(place) => {
                let mut db = place.connect(true).map_err(failed)?;
                sqlite::migrate(&mut db, last).map_err(failed)?;
                sqlite::applied(&mut db).map_err(failed)?
            }
            #[cfg(feature = "mysql")]
            Place::Mysql(place) => {
                let mut db = place.connect(mysql::LONG).map_err(failed)?;
                mysql::Place::migrate(&mut db, last, &|_| Ok(())).map_err(failed)?;
                mysql::applied(&mut db).map_err(|error| self.failed(error.to_string()))?
            }
        };
        self.check(&applied)?;
        match (last, applied.iter().max()) {
            (Some(last), Some(found)) if found.as_str() > last => Err(self.failed(format!(
                "its schema ({found}) is newer than that of the backup ({last}): drop the empty database and make \
                 it anew"
            ))),
            _ => Ok(()),
        }
    }

    /// Refuses what a newer version has made.
    fn check(&self, applied: &[String]) -> Result<()> {
        let known = known();
        match applied.iter().find(|version| !known.contains(version)) {
            Some(migration) => {
                Err(Error::Newer { url: self.url.clone(), migration: migration.clone() })
            }
            None => Ok(()),
        }
    }
}

/// The changes of the schema that this version knows, in their order: both databases have the same, by number.
pub(crate) fn known() -> Vec<String> {
    let known = MigrationSource::<diesel::sqlite::Sqlite>::migrations(&sqlite::MIGRATIONS);
    let known = known.unwrap_or_default();
    let mut known: Vec<String> = known.iter().map(|one| one.name().version().to_string()).collect();
    known.sort();
    known
}

/// The next change that was not made, up to one.
pub(super) fn next<D: Backend>(
    all: &impl MigrationSource<D>,
    applied: &[String],
    last: Option<&str>,
) -> Option<Box<dyn Migration<D>>> {
    let version = |one: &dyn Migration<D>| one.name().version().to_string();
    let mut all = all.migrations().unwrap_or_default();
    all.sort_by_key(|one| version(one.as_ref()));
    let next = all.into_iter().find(|one| !applied.contains(&version(one.as_ref())))?;
    last.is_none_or(|last| version(next.as_ref()).as_str() <= last).then_some(next)
}
