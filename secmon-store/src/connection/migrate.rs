//! Bringing a schema up to date: what is there is copied before it changes.

use diesel::backend::Backend;
use diesel::migration::{Migration, MigrationSource};
use diesel_migrations::MigrationHarness;

#[cfg(feature = "mysql")]
use super::mysql;
use super::{Db, Location, Place, sqlite};
use crate::{Error, Result};

/// Makes a backup before the schema of a server's database changes; it is told the last change that was made.
pub(crate) type Keep<'a> = &'a dyn Fn(&str) -> Result<()>;

impl Location {
    /// Opens a connection behind bringing the schema up to date. A file is copied before, a database kept by `keep`.
    #[cfg_attr(
        not(feature = "mysql"),
        expect(unused_variables, reason = "a file is copied as it is")
    )]
    pub(crate) fn open(&self, create: bool, keep: Keep<'_>) -> Result<Db> {
        let failed = |reason| self.failed(reason);
        match &self.place {
            Place::Sqlite(path) => {
                let mut db = sqlite::connect(path, create).map_err(failed)?;
                let applied = sqlite::applied(&mut db).map_err(failed)?;
                if self.is_behind::<diesel::sqlite::Sqlite>(&sqlite::MIGRATIONS, &applied)? {
                    if let Some(last) = applied.iter().max() {
                        sqlite::keep(&mut db, path, last).map_err(failed)?;
                    }
                    sqlite::migrate(&mut db, None).map_err(failed)?;
                }
                Ok(Db::Sqlite(Box::new(db)))
            }
            #[cfg(feature = "mysql")]
            Place::Mysql(place) => {
                let mut db = place.connect(mysql::LONG).map_err(failed)?;
                let applied =
                    mysql::applied(&mut db).map_err(|error| self.failed(error.to_string()))?;
                if self.is_behind::<diesel::mysql::Mysql>(&mysql::MIGRATIONS, &applied)? {
                    mysql::Place::migrate(&mut db, None, keep).map_err(failed)?;
                }
                // That one had the patience of who changes a schema.
                self.connect(create)
            }
        }
    }

    /// Makes the schema up to a change, or all of it, where nothing is that must be kept.
    ///
    /// # Errors
    /// [`Error::Newer`]: the change is not known here, or what is there has seen later ones.
    pub(crate) fn make(&self, last: Option<&str>) -> Result<()> {
        let failed = |reason| self.failed(reason);
        let applied = match &self.place {
            Place::Sqlite(path) => {
                let mut db = sqlite::connect(path, true).map_err(failed)?;
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
        match (last, applied.iter().max()) {
            (Some(last), Some(found)) if found.as_str() < last => {
                Err(Error::Newer { url: self.url.clone(), migration: last.into() })
            }
            (Some(last), Some(found)) if found.as_str() > last => Err(self.failed(format!(
                "its schema ({found}) is newer than that of the backup ({last}): drop the empty database and make \
                 it anew"
            ))),
            _ => Ok(()),
        }
    }

    /// Whether migrations are missing.
    ///
    /// # Errors
    /// A newer version has made the schema.
    fn is_behind<D: Backend>(
        &self,
        known: &impl MigrationSource<D>,
        applied: &[String],
    ) -> Result<bool> {
        let known = known.migrations().map_err(|error| self.failed(error.to_string()))?;
        let known: Vec<String> = known.iter().map(|one| one.name().version().to_string()).collect();
        match applied.iter().find(|version| !known.contains(version)) {
            Some(migration) => {
                Err(Error::Newer { url: self.url.clone(), migration: migration.clone() })
            }
            None => Ok(applied.len() < known.len()),
        }
    }
}

/// The next change that a database has not seen, up to one.
pub(super) fn next<D: Backend>(
    db: &mut impl MigrationHarness<D>,
    all: impl MigrationSource<D>,
    last: Option<&str>,
) -> diesel::migration::Result<Option<Box<dyn Migration<D>>>> {
    let next = db.pending_migrations(all)?.into_iter().next();
    Ok(next
        .filter(|next| last.is_none_or(|last| next.name().version().to_string().as_str() <= last)))
}
