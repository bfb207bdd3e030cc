//! The database: SQLite in WAL mode, every commit synced. What the log cannot be rebuilt from is here: grants,
//! policies, who is who.

mod grant;

use std::path::Path;
use std::time::Duration;

use policy::Bundle;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::exit::{Done, Exit, Failure};

/// How long one process waits for another.
const BUSY: Duration = Duration::from_secs(10);
/// What each version of the tables adds. Forward only; released ones never change.
const MIGRATIONS: &[&str] = &[include_str!("store/001.sql")];

/// The open database.
#[derive(Debug)]
pub(crate) struct Store {
    db: Connection,
}

/// Somebody.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    pub(crate) name: String,
    pub(crate) disabled: bool,
    pub(crate) pseudonym: [u8; 16],
}

/// A stored policy.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) version: i64,
    pub(crate) sha256: String,
    pub(crate) bundle: Bundle,
    pub(crate) author: String,
    pub(crate) activated_at: i64,
    pub(crate) note: String,
}

impl Store {
    /// Opens the database, or makes it, and brings its tables up to date.
    pub(crate) fn open(path: &Path) -> Done<Self> {
        let db = Connection::open(path).map_err(|error| Failure::file(path, error))?;
        db.busy_timeout(BUSY)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "foreign_keys", "ON")?;
        let mut store = Self { db };
        store.migrate(path)?;
        Ok(store)
    }

    fn migrate(&mut self, path: &Path) -> Done<()> {
        let tx = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let version: u32 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let version = version as usize;
        if version > MIGRATIONS.len() {
            let what = format!("{}: made by a newer ncat-guard (tables {version})", path.display());
            return Err(Failure::usage(what));
        }
        for (number, script) in (1..).zip(MIGRATIONS).skip(version) {
            tx.execute_batch(script)?;
            tx.pragma_update(None, "user_version", number as u32)?;
        }
        Ok(tx.commit()?)
    }

    /// Journal mode and synchronous level, as SQLite says them.
    pub(crate) fn durability(&self) -> Done<(String, i64)> {
        let mode = self.db.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        let level = self.db.pragma_query_value(None, "synchronous", |row| row.get(0))?;
        Ok((mode, level))
    }

    /// What SQLite finds wrong with the file; `ok` if nothing.
    pub(crate) fn integrity(&self) -> Done<String> {
        Ok(self.db.pragma_query_value(None, "quick_check", |row| row.get(0))?)
    }

    pub(crate) fn meta(&self, key: &str) -> Done<Option<String>> {
        let query = "SELECT value FROM meta WHERE key = ?1";
        Ok(self.db.query_row(query, [key], |row| row.get(0)).optional()?)
    }

    pub(crate) fn set_meta(&self, key: &str, value: &str) -> Done<()> {
        let query =
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2";
        self.db.execute(query, [key, value])?;
        Ok(())
    }

    pub(crate) fn principal(&self, name: &str) -> Done<Option<Principal>> {
        let query = "SELECT name, status, pseudonym FROM principal WHERE name = ?1";
        let row = |row: &rusqlite::Row<'_>| {
            let status: String = row.get(1)?;
            Ok(Principal {
                name: row.get(0)?,
                disabled: status != "active",
                pseudonym: row.get(2)?,
            })
        };
        Ok(self.db.query_row(query, [name], row).optional()?)
    }

    pub(crate) fn principals(&self) -> Done<Vec<Principal>> {
        let mut query =
            self.db.prepare("SELECT name, status, pseudonym FROM principal ORDER BY name")?;
        let rows = query.query_map([], |row| {
            let status: String = row.get(1)?;
            Ok(Principal {
                name: row.get(0)?,
                disabled: status != "active",
                pseudonym: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Somebody by name, made known if new. The pseudonym is random: a hash of the name could be recomputed.
    pub(crate) fn ensure_principal(&self, name: &str, issuer: &str, now: i64) -> Done<Principal> {
        if let Some(principal) = self.principal(name)? {
            return Ok(principal);
        }
        let pseudonym: [u8; 16] = random()?;
        let query = "INSERT INTO principal (id, kind, name, issuer, status, assurance, pseudonym, created_at)
                     VALUES (?1, 'user', ?2, ?3, 'active', 0, ?4, ?5)";
        self.db.execute(query, params![new_id("P")?, name, issuer, pseudonym, now])?;
        Ok(Principal { name: name.to_owned(), disabled: false, pseudonym })
    }

    /// Disables or enables; false if nobody has the name.
    pub(crate) fn set_disabled(&self, name: &str, disabled: bool, now: i64) -> Done<bool> {
        let query = "UPDATE principal SET status = ?2, disabled_at = ?3 WHERE name = ?1";
        let status = if disabled { "disabled" } else { "active" };
        let at = disabled.then_some(now);
        Ok(self.db.execute(query, params![name, status, at])? > 0)
    }

    /// The policy in force.
    pub(crate) fn active_policy(&self) -> Done<Option<Version>> {
        self.policy_where("state = 'active'", 0)
    }

    pub(crate) fn policy(&self, version: i64) -> Done<Option<Version>> {
        self.policy_where("version = ?1", version)
    }

    fn policy_where(&self, condition: &str, value: i64) -> Done<Option<Version>> {
        let query = format!(
            "SELECT version, sha256, data, author, activated_at, note FROM policy_bundle
             WHERE {condition} OR ?1 < 0 ORDER BY version DESC LIMIT 1"
        );
        let row = |row: &rusqlite::Row<'_>| {
            let data: String = row.get(2)?;
            let version = Version {
                version: row.get(0)?,
                sha256: row.get(1)?,
                bundle: Bundle::default(),
                author: row.get(3)?,
                activated_at: row.get(4)?,
                note: row.get(5)?,
            };
            Ok((version, data))
        };
        let Some((version, data)) = self.db.query_row(&query, [value], row).optional()? else {
            return Ok(None);
        };
        let bundle = Bundle::from_json(&data).map_err(|why| {
            Failure::new(Exit::Tampered, format!("policy {}: {why}", version.version))
        })?;
        if sha256(&data) != version.sha256 {
            let what = format!("policy {}: is not what was stored", version.version);
            return Err(Failure::new(Exit::Tampered, what));
        }
        Ok(Some(Version { bundle, ..version }))
    }

    /// The number that the next stored policy gets.
    pub(crate) fn next_policy(&self) -> Done<i64> {
        let query = "SELECT coalesce(max(version), 0) + 1 FROM policy_bundle";
        Ok(self.db.query_row(query, [], |row| row.get(0))?)
    }

    /// Stores a policy and puts it in force.
    pub(crate) fn activate(
        &mut self,
        version: i64,
        bundle: &Bundle,
        author: &str,
        now: i64,
        note: &str,
    ) -> Done<()> {
        let data = bundle.to_json();
        let tx = self.db.transaction()?;
        tx.execute("UPDATE policy_bundle SET state = 'retired' WHERE state = 'active'", [])?;
        let query = "INSERT INTO policy_bundle
            (version, sha256, data, state, author, activated_at, note, created_at)
            VALUES (?1, ?2, ?3, 'active', ?4, ?5, ?6, ?5)";
        tx.execute(query, params![version, sha256(&data), data, author, now, note])?;
        Ok(tx.commit()?)
    }
}

/// Lower-case hex of SHA-256.
pub(crate) fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `PREFIX-` and twelve hex digits at random.
pub(crate) fn new_id(prefix: &str) -> Done<String> {
    let bytes: [u8; 6] = random()?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{prefix}-{hex}"))
}

fn random<const N: usize>() -> Done<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(Exit::Unrecorded, format!("randomness: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_and_durable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard.db");
        let store = Store::open(&path).unwrap();
        assert_eq!(store.durability().unwrap(), ("wal".into(), 2));
        store.set_meta("a", "1").unwrap();
        store.set_meta("a", "2").unwrap();
        let alice = store.ensure_principal("alice", "host", 1).unwrap();
        drop(store);
        let store = Store::open(&path).unwrap();
        assert_eq!(store.meta("a").unwrap().as_deref(), Some("2"));
        assert_eq!(store.ensure_principal("alice", "host", 2).unwrap().pseudonym, alice.pseudonym);
        assert!(store.set_disabled("alice", true, 3).unwrap());
        assert!(store.principal("alice").unwrap().unwrap().disabled);
        assert!(!store.set_disabled("bob", true, 3).unwrap());
    }

    #[test]
    fn policies_are_numbered_and_one_is_active() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("guard.db")).unwrap();
        assert!(store.active_policy().unwrap().is_none());
        let mut bundle = Bundle::default();
        store.activate(1, &bundle, "alice", 1, "").unwrap();
        bundle.security.simulate = true;
        let next = store.next_policy().unwrap();
        store.activate(next, &bundle, "alice", 2, "x").unwrap();
        let active = store.active_policy().unwrap().unwrap();
        assert_eq!((active.version, active.bundle.security.simulate), (2, true));
        assert_eq!(store.policy(1).unwrap().unwrap().bundle, Bundle::default());
        assert!(store.policy(3).unwrap().is_none());
        store
            .db
            .execute("UPDATE policy_bundle SET data = replace(data, 'true', 'false')", [])
            .unwrap();
        assert_eq!(store.policy(1).unwrap_err().exit, Exit::Tampered);
    }

    #[test]
    fn a_newer_database_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard.db");
        Store::open(&path).unwrap().db.pragma_update(None, "user_version", 99).unwrap();
        assert!(Store::open(&path).unwrap_err().what.contains("newer"));
    }
}
