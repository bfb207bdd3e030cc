//! One descriptor and the way to wait for it.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sys::fd::FdKind;
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard, AsyncFdRegisterError};
use tokio::time::{Sleep, sleep};

/// A transfer of fewer bytes than this is no bulk transfer.
const SHORT: usize = 16 * 1024;

/// A descriptor with its kind and its way of waiting.
///
/// Descriptors we share with others (standard input and output) are never switched to
/// non-blocking: a pipe or terminal is opened a second time for our own use, a socket is read and
/// written with `MSG_DONTWAIT`, and where neither can be done readiness is polled before each call.
#[derive(Debug)]
pub struct Port {
    wait: Wait,
    kind: FdKind,
    exclusive: bool,
    /// The kernel opens TLS records here: bytes are readable when a record is, which polling does not
    /// tell.
    opens_records: bool,
    /// The kernel makes TLS records of what is written.
    makes_records: bool,
    /// The last read gave less than it was asked for, or the last move was followed by a wait: probably
    /// there is no more for now.
    was_short: AtomicBool,
    /// Set while a direction whose readiness can no longer be trusted is tried again by the clock.
    again: [Mutex<Option<Pin<Box<Sleep>>>>; 2],
}

/// Index into [`Port::again`].
const READ: usize = 0;
/// Index into [`Port::again`].
const WRITE: usize = 1;
/// Between two tries of such a direction.
const AGAIN: Duration = Duration::from_millis(10);

#[derive(Debug)]
enum Wait {
    /// The system tells us when it is ready.
    Registered(AsyncFd<OwnedFd>),
    /// It is always ready as far as the system is concerned: files, `/dev/null`.
    Never(OwnedFd),
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.wait {
            Wait::Registered(fd) => fd.get_ref().as_fd(),
            Wait::Never(fd) => fd.as_fd(),
        }
    }
}

impl Port {
    /// A socket of our own, switched to non-blocking. Needs a runtime to be entered.
    ///
    /// # Errors
    /// When it cannot be registered with the system's poller.
    pub fn socket(fd: OwnedFd) -> io::Result<Self> {
        sys::fd::set_nonblocking(fd.as_fd())?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let wait = Wait::Registered(register(fd, interest)?);
        Ok(Self {
            wait,
            kind: FdKind::Socket,
            exclusive: true,
            opens_records: false,
            makes_records: false,
            was_short: false.into(),
            again: Default::default(),
        })
    }

    /// A datagram or SCTP socket of our own. Its errors (nobody listens there) make it readable too.
    ///
    /// # Errors
    /// As [`Port::socket`].
    pub fn datagram_socket(fd: OwnedFd) -> io::Result<Self> {
        sys::fd::set_nonblocking(fd.as_fd())?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        // A waiting error alone is not "readable" to the poller; as an urgent condition it is.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let interest = {
            sys::socket::report_errors_as_urgent(fd.as_fd());
            interest | Interest::PRIORITY
        };
        let wait = Wait::Registered(register(fd, interest)?);
        Ok(Self {
            wait,
            kind: FdKind::Socket,
            exclusive: true,
            opens_records: false,
            makes_records: false,
            was_short: false.into(),
            again: Default::default(),
        })
    }

    /// One end of a pipe of our own, or a terminal's master: switched to non-blocking.
    ///
    /// # Errors
    /// As [`Port::socket`].
    pub fn pipe(fd: OwnedFd, write: bool) -> io::Result<Self> {
        sys::fd::set_nonblocking(fd.as_fd())?;
        let kind = sys::fd::kind(fd.as_fd())?;
        let interest = if write { Interest::WRITABLE } else { Interest::READABLE };
        let wait = Wait::Registered(register(fd, interest)?);
        Ok(Self {
            wait,
            kind,
            exclusive: true,
            opens_records: false,
            makes_records: false,
            was_short: false.into(),
            again: Default::default(),
        })
    }

    /// A descriptor that others may share: standard input, or standard output with `write`. Our own
    /// copy is made; the original is not changed.
    ///
    /// # Errors
    /// When it is closed or cannot be duplicated.
    pub fn shared(fd: BorrowedFd<'_>, write: bool) -> io::Result<Self> {
        let kind = sys::fd::kind(fd)?;
        let reopened = match kind {
            // Opening a terminal's master again would make another terminal.
            FdKind::Terminal if sys::fd::is_terminal_master(fd) => None,
            FdKind::Pipe | FdKind::Terminal => sys::fd::reopen_nonblocking(fd, write).ok(),
            _ => None,
        };
        let exclusive = reopened.is_some();
        let own = match reopened {
            Some(own) => own,
            None => sys::fd::duplicate(fd)?,
        };
        let interest = if write { Interest::WRITABLE } else { Interest::READABLE };
        let wait = match kind {
            FdKind::File | FdKind::Block | FdKind::Directory => Wait::Never(own),
            _ => match register(own, interest) {
                Ok(fd) => Wait::Registered(fd),
                // epoll refuses what is always ready, /dev/null for one, with EPERM.
                Err(refused) => Wait::Never(refused.into_parts().0),
            },
        };
        Ok(Self {
            wait,
            kind,
            exclusive,
            opens_records: false,
            makes_records: false,
            was_short: false.into(),
            again: Default::default(),
        })
    }

    /// What it refers to.
    pub fn kind(&self) -> FdKind {
        self.kind
    }

    /// Whether the descriptor's mode is ours: non-blocking calls never wait.
    pub fn is_exclusive(&self) -> bool {
        self.exclusive
    }

    /// Whether the system reports readiness; files are always ready.
    pub fn is_pollable(&self) -> bool {
        matches!(self.wait, Wait::Registered(_))
    }

    /// From now on the kernel opens TLS records here.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn set_opens_records(&mut self) {
        self.opens_records = true;
    }

    /// From now on the kernel makes TLS records of what is written.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn set_makes_records(&mut self) {
        self.makes_records = true;
    }

    /// Whether the kernel makes TLS records of what is written.
    pub fn makes_records(&self) -> bool {
        self.makes_records
    }

    /// Whether the kernel opens TLS records here: a splice stops at what is not data.
    pub fn opens_records(&self) -> bool {
        self.opens_records
    }

    /// Whether a read that gave nothing would give nothing now either.
    fn is_empty(&self) -> io::Result<bool> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if self.opens_records {
            return sys::ktls::has_record(self).map(|has| !has);
        }
        Ok(self.is_pollable() && !sys::fd::is_readable(self.as_fd()))
    }

    /// Whether calls must be preceded by a poll, since they could wait.
    fn is_guarded(&self) -> bool {
        !self.exclusive && self.kind != FdKind::Socket && self.is_pollable()
    }

    /// The most bytes one write may have: after a poll, a pipe of others takes this much at once.
    pub fn write_max(&self) -> usize {
        if self.is_guarded() { 4096 } else { usize::MAX }
    }

    /// Takes it that nothing is ready, and waits: for the system's word, or, once a hang-up has been
    /// seen, by the clock. The runtime takes a hang-up to be final and calls the descriptor ready
    /// for ever; a FIFO's is undone by the next process that opens it.
    fn wait_for(
        &self,
        direction: usize,
        cx: &mut Context<'_>,
        mut guard: AsyncFdReadyGuard<'_, OwnedFd>,
    ) -> Poll<()> {
        let ready = guard.ready();
        let is_spoilt =
            if direction == READ { ready.is_read_closed() } else { ready.is_write_closed() };
        guard.clear_ready();
        if !is_spoilt {
            return Poll::Ready(());
        }
        let mut again = self.again[direction].lock().unwrap_or_else(PoisonError::into_inner);
        let pause = again.get_or_insert_with(|| Box::pin(sleep(AGAIN)));
        ready!(pause.as_mut().poll(cx));
        *again = None;
        Poll::Ready(())
    }

    /// Calls `f` when the descriptor is readable, again as long as it says `WouldBlock`.
    /// `f` returns its result and whether that was less than it asked for.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn poll_read<R>(
        &self,
        cx: &mut Context<'_>,
        mut f: impl FnMut(BorrowedFd<'_>) -> io::Result<(R, bool)>,
    ) -> Poll<io::Result<R>> {
        let Wait::Registered(fd) = &self.wait else { return Poll::Ready(direct(self, f)) };
        loop {
            let guard = ready!(fd.poll_read_ready(cx))?;
            // A short read is often the last, but a terminal gives line by line, a packet pipe packet by
            // packet, and TCP stops at urgent data: ask. Not before what came has been passed on.
            let was_short = self.was_short.swap(false, Ordering::Relaxed) && !self.opens_records;
            let is_doubtful = was_short || self.is_guarded();
            if is_doubtful && !sys::fd::is_readable(self.as_fd()) {
                ready!(self.wait_for(READ, cx, guard));
                continue;
            }
            match f(self.as_fd()) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.wait_for(READ, cx, guard));
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Ok((value, short)) => {
                    self.was_short.store(short, Ordering::Relaxed);
                    return Poll::Ready(Ok(value));
                }
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }

    /// Ready when nothing waits to be read and nothing will come. Not woken for bytes that wait.
    pub(crate) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()> {
        if let Wait::Registered(fd) = &self.wait {
            loop {
                let Ok(guard) = ready!(fd.poll_read_ready(cx)) else { return Poll::Pending };
                if sys::fd::is_readable(self.as_fd()) {
                    break;
                }
                ready!(self.wait_for(READ, cx, guard));
            }
        }
        // Readable without a byte to read: that is the end.
        if sys::fd::bytes_waiting(self.as_fd()).is_ok_and(|bytes| bytes == 0) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Calls `f` when the descriptor is writable, again as long as it says `WouldBlock`.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn poll_write<R>(
        &self,
        cx: &mut Context<'_>,
        mut f: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let Wait::Registered(fd) = &self.wait else {
            return Poll::Ready(direct(self, |fd| f(fd).map(|value| (value, false))));
        };
        loop {
            let guard = ready!(fd.poll_write_ready(cx))?;
            if self.is_guarded() && !sys::fd::is_writable(self.as_fd()) {
                ready!(self.wait_for(WRITE, cx, guard));
                continue;
            }
            match f(self.as_fd()) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.wait_for(WRITE, cx, guard));
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Calls `f`, which moves bytes from `self` to `to` inside the kernel, once both are ready;
    /// again as long as it says `WouldBlock`.
    ///
    /// # Errors
    /// Those of `f`; `Unsupported` when it goes on saying `WouldBlock` though both are ready.
    pub fn poll_move(
        &self,
        to: &Port,
        cx: &mut Context<'_>,
        mut f: impl FnMut(BorrowedFd<'_>, BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let mut raced = 0;
        loop {
            let from_guard = match &self.wait {
                Wait::Registered(fd) => Some(ready!(fd.poll_read_ready(cx))?),
                Wait::Never(_) => None,
            };
            let to_guard = match &to.wait {
                Wait::Registered(fd) => Some(ready!(fd.poll_write_ready(cx))?),
                Wait::Never(_) => None,
            };
            match f(self.as_fd(), to.as_fd()) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.was_short.store(true, Ordering::Relaxed);
                    // EAGAIN does not say whose: ask, and wait for that side only.
                    let empty = self.is_empty()?;
                    let full = to.is_pollable() && !sys::fd::is_writable(to.as_fd());
                    match (from_guard, to_guard) {
                        (Some(guard), _) if empty => ready!(self.wait_for(READ, cx, guard)),
                        (_, Some(guard)) if full => ready!(to.wait_for(WRITE, cx, guard)),
                        // Both became ready meanwhile: try again. When the kernel insists that it
                        // cannot, though both are ready (urgent data), it declines this pair.
                        _ if raced < 3 => raced += 1,
                        _ => return Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
                    }
                }
                Ok(n) => {
                    // After a short piece there is rarely more, nor after any piece where the last one was
                    // followed by none: one question now saves a call that moves nothing and two that
                    // ask which side that was.
                    let is_doubtful = n < SHORT || self.was_short.load(Ordering::Relaxed);
                    // Where the kernel makes or opens records, that call is what has it finish one.
                    if is_doubtful && !self.opens_records && !to.makes_records {
                        let (has_more, has_room) = sys::fd::are_ready(self.as_fd(), to.as_fd());
                        self.was_short.store(!has_more || !has_room, Ordering::Relaxed);
                        if let (false, Some(mut guard)) = (has_more, from_guard) {
                            guard.clear_ready();
                        }
                        if let (false, Some(mut guard)) = (has_room, to_guard) {
                            guard.clear_ready();
                        }
                    }
                    return Poll::Ready(Ok(n));
                }
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }
}

#[expect(
    deprecated,
    reason = "the replacement is unsafe for descriptors that may change; ours is owned"
)]
fn register(
    fd: OwnedFd,
    interest: Interest,
) -> Result<AsyncFd<OwnedFd>, AsyncFdRegisterError<OwnedFd>> {
    AsyncFd::try_with_interest(fd, interest)
}

fn direct<R>(
    port: &Port,
    mut f: impl FnMut(BorrowedFd<'_>) -> io::Result<(R, bool)>,
) -> io::Result<R> {
    loop {
        match f(port.as_fd()) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map(|(value, _)| value),
        }
    }
}
