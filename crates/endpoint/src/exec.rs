//! A program as an endpoint: its standard output and input are a conn.
//!
//! Descriptors 0 and 1 of the program are pipes (or a terminal of its own), 2 is ours, and nothing
//! else is open in it. It leads a process group of its own, so that stopping it never touches who
//! started us.

mod child;
mod environment;
mod packets;
mod pty;

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use conn::{Conn, ConnInfo, Input, Output, Plain, Port, Shape};
use gate::{Action, Gatekeeper, Permit};
use sys::spawn::{Program, Resource};

pub use child::{Child, Children};
pub use environment::Environment;
pub use sys::spawn::{Ended, Resource as LimitOn};

use crate::OpenError;

/// A program to run for each connection, made ready once.
#[derive(Debug)]
pub struct Launch {
    path: CString,
    /// What it is called in messages.
    name: PathBuf,
    args: Vec<CString>,
    /// Descriptor 3, for programs of our own.
    fourth: Option<OwnedFd>,
    environment: Environment,
    limits: Vec<(Resource, u64, u64)>,
    wiring: Wiring,
}

/// What the program's descriptors 0 and 1 are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Wiring {
    /// A terminal of its own, for 2 as well.
    pub pty: bool,
    /// Nothing is received: its input is empty.
    pub no_input: bool,
    /// Nothing is sent: its output goes nowhere.
    pub no_output: bool,
    /// The other side keeps messages, of at most this many bytes: what the program writes in one call
    /// is one message.
    pub messages: Option<usize>,
}

impl Launch {
    /// `limits` are soft and hard limits.
    ///
    /// # Errors
    /// A word with a zero byte, which no program can be given.
    pub fn new(
        path: &OsStr,
        args: &[OsString],
        limits: Vec<(Resource, u64, u64)>,
        wiring: Wiring,
    ) -> io::Result<Self> {
        sys::spawn::keep_statuses();
        let args = args.iter().map(|arg| CString::new(arg.as_bytes()));
        Ok(Self {
            path: CString::new(path.as_bytes())?,
            name: path.into(),
            fourth: None,
            args: args.collect::<Result<_, _>>()?,
            environment: Environment::inherited(),
            limits,
            wiring,
        })
    }

    /// The program is this one, which finds `script`, called `name`, in descriptor 3.
    ///
    /// # Errors
    /// As [`Launch::new`], and when there is no memory for the script.
    pub fn ourselves(
        name: &Path,
        script: &[u8],
        args: &[OsString],
        limits: Vec<(Resource, u64, u64)>,
        wiring: Wiring,
    ) -> io::Result<Self> {
        let fourth = Some(sys::fd::memory_file(script)?);
        // Of the process that is started it is the same file, be ours replaced or gone meanwhile.
        let launch = Self::new(OsStr::new("/proc/self/exe"), args, limits, wiring)?;
        Ok(Self { name: name.to_owned(), fourth, ..launch })
    }

    /// The program's path, or the script's.
    pub fn path(&self) -> PathBuf {
        self.name.clone()
    }

    fn permit(&self, gate: &Gatekeeper) -> Result<Permit, OpenError> {
        Ok(gate.decide(Action::Exec(self.path()))?)
    }

    /// Starts it with `variables` in its environment; its output and input are the conn.
    ///
    /// # Errors
    /// [`OpenError::Exec`], [`OpenError::Denied`].
    pub fn open(
        &self,
        gate: &Gatekeeper,
        variables: &[(&str, String)],
    ) -> Result<(Conn, Child), OpenError> {
        let permit = self.permit(gate)?;
        let opened = if self.wiring.pty {
            self.on_pty(permit, variables)
        } else {
            self.on_pipes(permit, variables)
        };
        opened.map_err(|error| self.failed(error))
    }

    /// Starts it with the socket itself, switched to blocking, as its input and output.
    ///
    /// # Errors
    /// As [`Launch::open`].
    pub fn hand_over(
        &self,
        gate: &Gatekeeper,
        variables: &[(&str, String)],
        socket: BorrowedFd<'_>,
    ) -> Result<Child, OpenError> {
        let permit = self.permit(gate)?;
        let started = sys::fd::set_blocking(socket, true)
            .and_then(|()| self.start(permit, variables, [socket, socket, sys::stdio::error()]));
        started.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> OpenError {
        OpenError::Exec { path: self.path(), error }
    }

    /// Everything that can fail on our side is done before the program is started.
    fn on_pipes(&self, permit: Permit, variables: &[(&str, String)]) -> io::Result<(Conn, Child)> {
        let (stdin, output) = if self.wiring.no_input {
            (null()?, Output::Discard)
        } else {
            let (theirs, ours) = sys::fd::pipe()?;
            (theirs, Output::Port(Port::pipe(ours, true)?))
        };
        let (stdout, body) = match (self.wiring.no_output, self.wiring.messages) {
            (true, _) => (null()?, Body::Plain(Plain::new(Input::Empty, output))),
            (false, None) => {
                let (ours, theirs) = sys::fd::pipe()?;
                let input = Input::Port(Port::pipe(ours, false)?);
                (theirs, Body::Plain(Plain::new(input, output)))
            }
            (false, Some(size)) => {
                let (ours, theirs) = sys::fd::packet_pipe()?;
                (theirs, Body::Packets(Box::new(packets::Packets::new(ours, output, size)?)))
            }
        };
        let stdio = [stdin.as_fd(), stdout.as_fd(), sys::stdio::error()];
        let child = self.start(permit, variables, stdio)?;
        let info = self.info(&child);
        let conn = match body {
            Body::Plain(plain) => Conn::from_plain(info, Shape::Stream, plain),
            Body::Packets(duplex) => Conn::from_duplex(info, Shape::Stream, duplex),
        };
        Ok((conn, child))
    }

    fn on_pty(&self, permit: Permit, variables: &[(&str, String)]) -> io::Result<(Conn, Child)> {
        let (master, slave) = sys::pty::open()?;
        let duplex = Box::new(pty::Pty::new(master)?);
        let child = self.start(permit, variables, [slave.as_fd(); 3])?;
        // Our copy of the other side goes now: it would keep the terminal alive after the program.
        Ok((Conn::from_duplex(self.info(&child), Shape::Stream, duplex), child))
    }

    fn info(&self, child: &Child) -> ConnInfo {
        let peer = format!("{} (process {})", self.path().display(), child.pid());
        ConnInfo { peer, ..ConnInfo::default() }
    }

    fn start(
        &self,
        _permit: Permit,
        variables: &[(&str, String)],
        stdio: [BorrowedFd<'_>; 3],
    ) -> io::Result<Child> {
        let env = self.environment.with(variables);
        let spawned = sys::spawn::spawn(&Program {
            path: &self.path,
            args: &self.args,
            env: &env,
            stdio,
            fourth: self.fourth.as_ref().map(AsFd::as_fd),
            controls_terminal: self.wiring.pty,
            limits: &self.limits,
        })?;
        Ok(Child::new(spawned))
    }
}

/// Our ends of a program's pipes.
enum Body {
    Plain(Plain),
    Packets(Box<packets::Packets>),
}

fn null() -> io::Result<OwnedFd> {
    Ok(File::options().read(true).write(true).open("/dev/null")?.into())
}
