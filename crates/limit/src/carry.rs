//! stdin to a socket and a socket to stdout, by the kernel alone.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{SpliceFlags, fcntl_setpipe_size, pipe, splice};

/// Bytes asked for in one call, and the size of the pipes: Linux' default pipe-max-size. Larger
/// requests gain nothing, since a pipe bounds what one splice can move.
const CHUNK: usize = 1 << 20;

/// stdin to a connection to 127.0.0.1; waits for the peer to close, so its exit means delivery.
pub(crate) fn send(port: u16) -> io::Result<()> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    outward(&socket)?;
    let mut byte = [0];
    io::Read::read(&mut &socket, &mut byte)?;
    Ok(())
}

/// One accepted connection to stdout, waiting inside splice. The fastest for bulk, but see
/// [`Wait::InSplice`]: no interactive tool may do this.
pub(crate) fn recv(port: u16) -> io::Result<()> {
    inward(&accept(port)?, Wait::InSplice)
}

/// The same, waiting in poll as a tool for live traffic must.
pub(crate) fn recv_live(port: u16) -> io::Result<()> {
    inward(&accept(port)?, Wait::InPoll)
}

/// Where to wait for the socket when stdout is a pipe.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// A splice that waits for the socket holds the pipe's lock meanwhile, and whoever reads the
    /// pipe cannot get at what is in it (seen on Linux 6.18): the last bytes before a silence stay
    /// in the pipe for as long as the silence lasts. The end of the stream frees them.
    InSplice,
    /// Nobody is held up; costs a call per splice and wakes the reader more often.
    InPoll,
}

pub(crate) fn both_connect(port: u16) -> io::Result<()> {
    both(&TcpStream::connect((Ipv4Addr::LOCALHOST, port))?)
}

pub(crate) fn both_listen(port: u16) -> io::Result<()> {
    both(&accept(port)?)
}

fn accept(port: u16) -> io::Result<TcpStream> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    Ok(listener.accept()?.0)
}

fn both(socket: &TcpStream) -> io::Result<()> {
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| outward(socket));
        inward(socket, Wait::InPoll)?;
        sender.join().map_err(|_| io::Error::other("the sending thread panicked"))?
    })
}

/// stdin to the socket, then end of stream.
fn outward(socket: &TcpStream) -> io::Result<()> {
    let stdin = io::stdin();
    let stdin = stdin.as_fd();
    if is_pipe(stdin)? {
        widen(stdin);
        while splice(stdin, None, socket, None, CHUNK, SpliceFlags::MOVE)? > 0 {}
    } else {
        while rustix::fs::sendfile(socket, stdin, None, 0x7fff_f000)? > 0 {}
    }
    socket.shutdown(Shutdown::Write)
}

/// One socket to another through a pipe of our own, then end of stream.
pub(crate) fn across(from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    through_pipe(from.as_fd(), to.as_fd())?;
    to.shutdown(Shutdown::Write)
}

/// The socket to stdout: one splice when stdout is a pipe, else two through a pipe of our own.
fn inward(socket: &TcpStream, wait: Wait) -> io::Result<()> {
    let stdout = io::stdout();
    let stdout = stdout.as_fd();
    if is_pipe(stdout)? {
        widen(stdout);
        loop {
            if wait == Wait::InPoll {
                poll(&mut [PollFd::new(socket, PollFlags::IN)], None)?;
            }
            if splice(socket, None, stdout, None, CHUNK, SpliceFlags::MOVE)? == 0 {
                return Ok(());
            }
        }
    }
    through_pipe(socket.as_fd(), stdout)
}

/// Two splices, with a pipe between them.
fn through_pipe(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    let (pipe_out, pipe_in) = pipe()?;
    widen(pipe_in.as_fd());
    loop {
        let mut held = splice(from, None, &pipe_in, None, CHUNK, SpliceFlags::MOVE)?;
        if held == 0 {
            return Ok(());
        }
        while held > 0 {
            held -= splice(&pipe_out, None, to, None, held, SpliceFlags::MOVE)?;
        }
    }
}

fn is_pipe(fd: BorrowedFd<'_>) -> io::Result<bool> {
    use std::os::unix::fs::FileTypeExt as _;
    let file = File::from(fd.try_clone_to_owned()?);
    Ok(file.metadata()?.file_type().is_fifo())
}

/// A smaller pipe only costs speed, so a refusal (a user's pipe quota) is not an error.
fn widen(pipe: BorrowedFd<'_>) {
    let _ = fcntl_setpipe_size(pipe, CHUNK);
}
