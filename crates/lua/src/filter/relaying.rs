//! `ncat.relay` between two connections of ours: the bytes pass Lua by, and where the system can move
//! them alone, us as well.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mlua::{AnyUserData, Lua, MultiValue, Table, Value};
use relay::{OnRemoteEnd, Outcome, Rules, Session, Totals};

use super::code::Failure;
use super::holder::{Holder, Loan};
use super::native::Shared;
use super::socket::one_of;
use super::work::{Results, Work, failure_of};

/// Each direction goes on until its source ends, whatever becomes of the other.
fn rules() -> Rules {
    Rules { on_remote_end: OnRemoteEnd::Continue, ..Rules::default() }
}

/// Counts for a root what passed it by.
fn count(holder: &Holder, received: u64, sent: u64) {
    if let Holder::Root(link) = holder {
        link.bytes_in.fetch_add(received, Ordering::Relaxed);
        link.bytes_out.fetch_add(sent, Ordering::Relaxed);
    }
}

/// Moves bytes both ways until both have ended.
async fn run(one: Holder, other: Holder) -> Result<Outcome, Failure> {
    for holder in [&one, &other] {
        std::future::poll_fn(|cx| holder.poll_flushed(cx)).await?;
    }
    let (one_loan, one_conn) = Loan::take(one.clone())?;
    let (other_loan, other_conn) = Loan::take(other.clone())?;
    let totals = Arc::new(Totals::default());
    let session = Session::new(one_conn, other_conn, rules(), Arc::clone(&totals));
    let mut session = std::pin::pin!(session.run_back());
    let mut seen = (0, 0);
    let moved = std::future::poll_fn(|cx| {
        let polled = session.as_mut().poll(cx);
        let now = totals.read();
        if now != seen {
            let (from_one, from_other) = (now.0 - seen.0, now.1 - seen.1);
            count(&one, from_one, from_other);
            count(&other, from_other, from_one);
            seen = now;
            one_loan.is_active();
            other_loan.is_active();
        }
        polled
    });
    let (outcome, one_conn, other_conn) = moved.await;
    one_loan.give_back(one_conn);
    other_loan.give_back(other_conn);
    // Both directions have ended; that is known without asking again.
    for holder in [&one, &other] {
        holder.with(|wire| {
            wire.read_end = Some(Ok(()));
            (wire.wants_finish, wire.finished) = (true, true);
        });
    }
    Ok(outcome)
}

/// The two counts; after a failure they follow it.
fn results(outcome: Result<Outcome, Failure>) -> Results {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(failure) => return failure_of(failure),
    };
    let counts = [outcome.sent, outcome.received];
    let counts = counts.map(|count| Value::Integer(i64::try_from(count).unwrap_or(i64::MAX)));
    match outcome.error {
        None => Box::new(move |_| Ok(MultiValue::from_iter(counts))),
        Some(error) => {
            let failure = failure_of(Failure::from(&error.error));
            Box::new(move |lua| {
                let mut values = failure(lua)?;
                values.extend(counts);
                Ok(values)
            })
        }
    }
}

/// Adds `relay`.
pub(super) fn add(lua: &Lua, native: &Table, _shared: &Arc<Shared>) -> mlua::Result<()> {
    let relay = lua.create_function(|lua, (one, other): (AnyUserData, AnyUserData)| {
        let (one, other) = (Holder::of(&one)?, Holder::of(&other)?);
        if one.is(&other) {
            return one_of(lua, Err(Failure::new("ERROR", "that is one connection, not two")));
        }
        one_of(lua, Ok(Work::new(async move { results(run(one, other).await) })))
    })?;
    native.raw_set("relay", relay)
}
