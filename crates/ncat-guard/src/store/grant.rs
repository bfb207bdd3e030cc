//! Grants in the database.

use std::fmt::Display;
use std::str::FromStr;

use policy::{Grant, Status};
use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row, params};

use super::Store;
use crate::exit::Done;

const COLUMNS: &str = "id, subject, actions, networks, ports, protocols, allow_cleartext, allow_unverified, allow_exec,
    max_uses, used, purpose, ticket, requested_by, approved_by, not_before, not_after, status";

impl Store {
    pub(crate) fn insert_grant(&self, grant: &Grant, now: i64) -> Done<()> {
        let query = format!(
            "INSERT INTO access_grant ({COLUMNS}, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)"
        );
        let ports: Vec<String> =
            grant.ports.iter().map(|(low, high)| format!("{low}-{high}")).collect();
        let values = params![
            grant.id,
            grant.subject.to_string(),
            joined(&grant.actions),
            joined(&grant.places),
            ports.join(" "),
            joined(&grant.transports),
            grant.allow_cleartext,
            grant.allow_unverified,
            grant.allow_exec,
            grant.max_uses,
            grant.used,
            grant.purpose,
            grant.ticket,
            grant.requested_by,
            grant.approved_by,
            grant.not_before,
            grant.not_after,
            grant.status.name(),
            now,
        ];
        self.db.execute(&query, values)?;
        Ok(())
    }

    pub(crate) fn grant(&self, id: &str) -> Done<Option<Grant>> {
        let query = format!("SELECT {COLUMNS} FROM access_grant WHERE id = ?1");
        Ok(self.db.query_row(&query, [id], read).optional()?)
    }

    /// All, newest first.
    pub(crate) fn grants(&self) -> Done<Vec<Grant>> {
        let query = format!("SELECT {COLUMNS} FROM access_grant ORDER BY created_at DESC, id");
        let mut query = self.db.prepare(&query)?;
        Ok(query.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// Decides a grant that is still in state `from`; false if it is not any more.
    pub(crate) fn decide_grant(
        &self,
        id: &str,
        from: Status,
        to: Status,
        by: &str,
        reason: &str,
    ) -> Done<bool> {
        let query = "UPDATE access_grant SET status = ?3, decided_reason = ?5,
            approved_by = CASE WHEN ?3 = 'active' THEN ?4 ELSE approved_by END
            WHERE id = ?1 AND status = ?2";
        Ok(self.db.execute(query, params![id, from.name(), to.name(), by, reason])? == 1)
    }
}

fn joined<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn read(row: &Row<'_>) -> rusqlite::Result<Grant> {
    let text = |column| row.get::<_, String>(column);
    let ports: Vec<String> = words(&text(4)?, 4)?;
    let range = |text: &String| {
        let (low, high) = text.split_once('-')?;
        Some((low.parse().ok()?, high.parse().ok()?))
    };
    let ports: Option<Vec<(u16, u16)>> = ports.iter().map(range).collect();
    Ok(Grant {
        id: text(0)?,
        subject: word(&text(1)?, 1)?,
        actions: words(&text(2)?, 2)?,
        places: words(&text(3)?, 3)?,
        ports: ports.ok_or_else(|| wrong(4, "not ports".into()))?,
        transports: words(&text(5)?, 5)?,
        allow_cleartext: row.get(6)?,
        allow_unverified: row.get(7)?,
        allow_exec: row.get(8)?,
        max_uses: row.get(9)?,
        used: row.get(10)?,
        purpose: text(11)?,
        ticket: row.get(12)?,
        requested_by: text(13)?,
        approved_by: row.get(14)?,
        not_before: row.get(15)?,
        not_after: row.get(16)?,
        status: word(&text(17)?, 17)?,
    })
}

fn words<T: FromStr<Err: Display>>(text: &str, column: usize) -> rusqlite::Result<Vec<T>> {
    text.split_whitespace().map(|item| word(item, column)).collect()
}

fn word<T: FromStr<Err: Display>>(text: &str, column: usize) -> rusqlite::Result<T> {
    text.parse().map_err(|error: T::Err| wrong(column, error.to_string()))
}

fn wrong(column: usize, why: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}
