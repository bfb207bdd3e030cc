//! One session: our program on one side, the test on the other.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use testkit::process::{Finished, Input, Process, ncat};
use testkit::script::{Listener, Peer as Plain};

use crate::peer::Peer;

/// Long enough to see that something does not happen.
pub(crate) const ABSENCE: Duration = Duration::from_millis(300);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Transport {
    Tcp,
    Unix,
    /// Over TCP.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "the program has no TLS"))]
    Tls,
}

/// The columns of the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    Plain,
    KeepOpen,
    SendOnly,
    RecvOnly,
    NoShutdown,
    Quit,
    Idle,
    Listen,
    ListenKeep,
}

impl Mode {
    fn args(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &[],
            Self::KeepOpen => &["-k"],
            Self::SendOnly => &["--send-only"],
            Self::RecvOnly => &["--recv-only"],
            Self::NoShutdown => &["--no-shutdown"],
            Self::Quit => &["-q", "600ms"],
            Self::Idle => &["-i", "600ms"],
            Self::Listen => &["-lv"],
            Self::ListenKeep => &["-lkv"],
        }
    }

    fn listens(self) -> bool {
        matches!(self, Self::Listen | Self::ListenKeep)
    }
}

pub(crate) struct Stage {
    pub(crate) ncat: Process,
    pub(crate) peer: Peer,
    mode: Mode,
    at: At,
}

enum At {
    Port(u16),
    Path(PathBuf, #[expect(dead_code, reason = "kept until the test ends")] TempDir),
}

impl Stage {
    pub(crate) fn new(transport: Transport, mode: Mode, input: Input) -> Self {
        let dir = || {
            let dir = TempDir::new().unwrap();
            At::Path(dir.path().join("s"), dir)
        };
        if mode.listens() {
            let (args, mut at): (Vec<String>, At) = match transport {
                Transport::Tcp => (vec!["127.0.0.1".into(), "0".into()], At::Port(0)),
                Transport::Tls => {
                    (vec!["--ssl".into(), "127.0.0.1".into(), "0".into()], At::Port(0))
                }
                Transport::Unix => {
                    let at = dir();
                    (vec!["-U".into(), at.path()], at)
                }
            };
            let ncat = ncat(mode.args()).args(args).input(input).start();
            match &mut at {
                At::Port(port) => *port = ncat.listening().port(),
                At::Path(..) => drop(ncat.wait_message("Listening on ")),
            }
            let peer = transport.dress(at.connect(), false);
            return Self { ncat, peer, mode, at };
        }
        let (listener, args, at) = match transport {
            Transport::Tcp => {
                let listener = Listener::tcp();
                let port = listener.port();
                (listener, vec!["127.0.0.1".into(), port.to_string()], At::Port(port))
            }
            Transport::Tls => {
                let listener = Listener::tcp();
                let port = listener.port();
                let args = vec!["--ssl".into(), "127.0.0.1".into(), port.to_string()];
                (listener, args, At::Port(port))
            }
            Transport::Unix => {
                let at = dir();
                let At::Path(path, _) = &at else { unreachable!() };
                (Listener::unix(path), vec!["-U".into(), at.path()], at)
            }
        };
        let ncat = ncat(mode.args()).args(args).input(input).start();
        let peer = transport.dress(listener.accept(), true);
        Self { ncat, peer, mode, at }
    }

    /// The peer goes away, both directions.
    pub(crate) fn close(self) -> Gone {
        let Self { ncat, peer, mode, at } = self;
        drop(peer);
        Gone { ncat, mode, at }
    }

    /// The peer goes away with a reset. A Unix socket has none of its own: there closing with bytes
    /// unread is what the other side sees as one, so this needs bytes on their way to the peer.
    pub(crate) fn reset(self, transport: Transport) -> Gone {
        let Self { ncat, peer, mode, at } = self;
        match transport {
            Transport::Tcp | Transport::Tls => peer.reset(),
            Transport::Unix => {
                assert!(peer.socket().peek(&mut [std::mem::MaybeUninit::uninit()]).unwrap() > 0);
                drop(peer);
            }
        }
        Gone { ncat, mode, at }
    }

    /// The end, with the peer still there.
    #[track_caller]
    pub(crate) fn finish(self, code: i32) -> Finished {
        self.ncat.finish().expect_code(code)
    }
}

impl Transport {
    /// The peer's side of a connection that it accepted, or made.
    fn dress(self, peer: Plain, accepts: bool) -> Peer {
        match self {
            Self::Tls => Peer::tls(&peer, accepts),
            _ => Peer::Plain(peer),
        }
    }
}

impl At {
    fn path(&self) -> String {
        match self {
            Self::Path(path, _) => path.to_str().unwrap().to_owned(),
            Self::Port(_) => unreachable!(),
        }
    }

    fn connect(&self) -> Plain {
        match self {
            Self::Port(port) => Plain::connect(([127, 0, 0, 1], *port).into()),
            Self::Path(path, _) => Plain::connect_unix(path),
        }
    }
}

/// A session whose peer is gone.
pub(crate) struct Gone {
    pub(crate) ncat: Process,
    mode: Mode,
    at: At,
}

impl Gone {
    /// The end. A `-k` listener has none of its own: it must still serve, and SIGTERM ends it.
    #[track_caller]
    pub(crate) fn finish(self, code: i32) -> Finished {
        if self.mode == Mode::ListenKeep {
            let next = self.at.connect();
            drop(next);
            return self.stop();
        }
        self.ncat.finish().expect_code(code)
    }

    /// A `-k` listener that still serves is stopped.
    #[track_caller]
    fn stop(mut self) -> Finished {
        testkit::eventually("the next client", || {
            (self.ncat.messages().matches("Connection from").count() >= 2).then_some(())
        });
        assert!(self.ncat.is_running());
        self.ncat.signal(rustix::process::Signal::TERM);
        self.ncat.finish().expect_code(143)
    }
}
