//! A connection that is still to be dialled, as whoever dials sees it.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use conn::{Conn, ConnInfo};

use super::code::Failure;
use super::duplex::Top;
use super::link::{Begin, Dial, Link, Target};

/// What a connection that is being opened wants next.
#[derive(Debug)]
pub enum Step {
    /// Somebody must dial whom the user named, or this one, and tell with [`Opening::dialled`].
    Dial(Option<Target>),
    /// The filters are done: this is the connection.
    Ready(Box<Conn>),
    /// The filters refused, or failed.
    Failed(Failure),
}

/// A connection that the filters are opening.
#[derive(Debug)]
pub struct Opening(Option<Arc<Link>>);

impl Opening {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self(Some(link))
    }

    /// What is wanted next.
    pub async fn next(&mut self) -> Step {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let Some(link) = &self.0 else { return Poll::Pending };
        let mut state = link.lock();
        if let (Begin::Running, Some(fault)) = (&state.begin, &state.fault) {
            return Poll::Ready(Step::Failed(Failure::new("ERROR", fault.line.clone())));
        }
        match &state.begin {
            Begin::Refused(failure) => Poll::Ready(Step::Failed(failure.clone())),
            Begin::Ready | Begin::Dealt => {
                let info = state.conn.as_ref().map(|conn| conn.info.clone());
                let info = info.unwrap_or_else(|| of_target(link.facts.target.as_ref()));
                let shape = state.shape;
                drop(state);
                let Some(link) = self.0.take() else { return Poll::Pending };
                let conn = Conn::from_duplex(info, shape, Box::new(Top(link)));
                Poll::Ready(Step::Ready(Box::new(conn)))
            }
            Begin::Running => {
                if matches!(state.dial, Dial::Wanted) {
                    state.dial = Dial::Told;
                    return Poll::Ready(Step::Dial(state.elsewhere.clone()));
                }
                state.opener = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// What came of dialling.
    pub fn dialled(&self, result: Result<Conn, Failure>) {
        let Some(link) = &self.0 else { return };
        let mut state = link.lock();
        state.dial = Dial::Done(match result {
            Ok(conn) => {
                link.learn(&mut state, &conn.info);
                state.shape = conn.shape;
                state.conn = Some(conn);
                Ok(())
            }
            Err(failure) => Err(failure),
        });
        state.grace.end();
        state.senders.drain(..).for_each(Waker::wake);
        drop(state);
        link.driver.ring();
    }
}

/// A connection that the filters have made otherwise than by the root is with the target all the same.
fn of_target(target: Option<&Target>) -> ConnInfo {
    let peer = match target {
        Some((host, Some(port))) if host.contains(':') => format!("[{host}]:{port}"),
        Some((host, Some(port))) => format!("{host}:{port}"),
        Some((host, None)) => host.clone(),
        None => String::new(),
    };
    ConnInfo { peer, ..ConnInfo::default() }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(link) = &self.0 {
            link.lock().is_left = true;
            link.driver.ring();
        }
    }
}
