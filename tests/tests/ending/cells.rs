//! The table's stream cells, each for TCP, for Unix streams and for TLS.

use testkit::data;
use testkit::process::{Finished, Input};
use testkit::script::Ended;

use crate::stage::Mode::{
    Idle, KeepOpen, Listen, ListenKeep, NoShutdown, Plain, Quit, RecvOnly, SendOnly,
};
#[cfg(feature = "tls")]
use crate::stage::Transport::Tls;
use crate::stage::Transport::{Tcp, Unix};
use crate::stage::{ABSENCE, Gone, Mode, Stage, Transport};

macro_rules! cells {
    ($($name:ident => $row:ident($mode:ident);)*) => {
        mod tcp { use super::*; $(#[test] fn $name() { $row(Tcp, $mode); })* }
        mod unix { use super::*; $(#[test] fn $name() { $row(Unix, $mode); })* }
        #[cfg(feature = "tls")]
        mod tls { use super::*; $(#[test] fn $name() { $row(Tls, $mode); })* }
    };
}

cells! {
    stdin_ends_plain => stdin_ends(Plain);
    stdin_ends_keep_open => stdin_ends(KeepOpen);
    stdin_ends_send_only => stdin_ends(SendOnly);
    stdin_ends_recv_only => stdin_ends(RecvOnly);
    stdin_ends_no_shutdown => stdin_ends(NoShutdown);
    stdin_ends_quit => stdin_ends(Quit);
    stdin_ends_idle => stdin_ends(Idle);
    stdin_ends_listen => stdin_ends(Listen);
    stdin_ends_listen_keep => stdin_ends(ListenKeep);

    half_close_ready_plain => half_close_ready(Plain);
    half_close_ready_keep_open => half_close_ready(KeepOpen);
    half_close_ready_send_only => half_close_ready(SendOnly);
    half_close_ready_recv_only => half_close_ready(RecvOnly);
    half_close_ready_no_shutdown => half_close_ready(NoShutdown);
    half_close_ready_quit => half_close_ready(Quit);
    half_close_ready_idle => half_close_ready(Idle);
    half_close_ready_listen => half_close_ready(Listen);
    half_close_ready_listen_keep => half_close_ready(ListenKeep);

    half_close_silent_plain => half_close_silent(Plain);
    half_close_silent_keep_open => half_close_silent(KeepOpen);
    half_close_silent_send_only => half_close_silent(SendOnly);
    half_close_silent_recv_only => half_close_silent(RecvOnly);
    half_close_silent_no_shutdown => half_close_silent(NoShutdown);
    half_close_silent_quit => half_close_silent(Quit);
    half_close_silent_idle => half_close_silent(Idle);
    half_close_silent_listen => half_close_silent(Listen);
    half_close_silent_listen_keep => half_close_silent(ListenKeep);

    close_ready_plain => close_ready(Plain);
    close_ready_keep_open => close_ready(KeepOpen);
    close_ready_send_only => close_ready(SendOnly);
    close_ready_recv_only => close_ready(RecvOnly);
    close_ready_no_shutdown => close_ready(NoShutdown);
    close_ready_quit => close_ready(Quit);
    close_ready_idle => close_ready(Idle);
    close_ready_listen => close_ready(Listen);
    close_ready_listen_keep => close_ready(ListenKeep);

    close_silent_plain => close_silent(Plain);
    close_silent_keep_open => close_silent(KeepOpen);
    close_silent_send_only => close_silent(SendOnly);
    close_silent_recv_only => close_silent(RecvOnly);
    close_silent_no_shutdown => close_silent(NoShutdown);
    close_silent_quit => close_silent(Quit);
    close_silent_idle => close_silent(Idle);
    close_silent_listen => close_silent(Listen);
    close_silent_listen_keep => close_silent(ListenKeep);

    reset_plain => reset(Plain);
    reset_keep_open => reset(KeepOpen);
    reset_send_only => reset(SendOnly);
    reset_recv_only => reset(RecvOnly);
    reset_no_shutdown => reset(NoShutdown);
    reset_quit => reset(Quit);
    reset_idle => reset(Idle);
    reset_listen => reset(Listen);
    reset_listen_keep => reset(ListenKeep);
}

/// More than every buffer between two programs holds.
fn plenty() -> Vec<u8> {
    data::bytes(1, 16 << 20)
}

/// Ends a session of which something is said; a `-k` listener says it before it is stopped.
#[track_caller]
fn finish_saying(gone: Gone, code: i32, wanted: &[&str]) -> Finished {
    testkit::eventually("the message", || {
        let said = gone.ncat.messages();
        wanted.iter().any(|line| said.contains(line)).then_some(())
    });
    gone.finish(code)
}

#[track_caller]
fn says(ended: &Finished, wanted: &[&str]) {
    let said = &ended.stderr;
    assert!(wanted.iter().any(|line| said.contains(line)), "none of {wanted:?} in:\n{said}");
}

/// Our input ends; the peer is there and has not ended.
fn stdin_ends(transport: Transport, mode: Mode) {
    let mut stage = Stage::new(transport, mode, Input::Bytes(b"hello".to_vec()));
    match mode {
        Plain | KeepOpen | Listen | ListenKeep => {
            assert_eq!(stage.peer.drain(), (b"hello".to_vec(), Ended::Fin));
            stage.peer.send(b"late");
            assert_eq!(stage.ncat.wait_output(4), b"late");
            assert_eq!(stage.close().finish(0).stdout, b"late");
        }
        SendOnly => {
            assert_eq!(stage.peer.drain(), (b"hello".to_vec(), Ended::Fin));
            assert!(stage.finish(0).stdout.is_empty());
        }
        RecvOnly => {
            stage.peer.assert_silent_for(ABSENCE);
            stage.peer.send(b"late");
            assert_eq!(stage.close().finish(0).stdout, b"late");
        }
        NoShutdown => {
            assert_eq!(stage.peer.take(5), b"hello");
            stage.peer.assert_silent_for(ABSENCE);
            stage.peer.send(b"late");
            assert_eq!(stage.close().finish(0).stdout, b"late");
        }
        Quit => {
            assert_eq!(stage.peer.drain(), (b"hello".to_vec(), Ended::Fin));
            stage.peer.send(b"late");
            assert_eq!(stage.finish(0).stdout, b"late");
        }
        Idle => {
            assert_eq!(stage.peer.drain(), (b"hello".to_vec(), Ended::Fin));
            let ended = stage.finish(1);
            says(&ended, &["Ncat: Idle timeout expired (600 ms)."]);
        }
    }
}

/// The peer ends its direction and goes on reading while our input has plenty ready.
fn half_close_ready(transport: Transport, mode: Mode) {
    let sent = plenty();
    let mut stage = Stage::new(transport, mode, Input::Bytes(sent.clone()));
    stage.peer.send(b"first");
    stage.peer.half_close();
    stage.ncat.wait_output(if mode == SendOnly { 0 } else { 5 });
    let (got, ended) = stage.peer.drain();
    assert_eq!(ended, Ended::Fin);
    match mode {
        RecvOnly => assert!(got.is_empty()),
        _ => data::assert_same("to the peer", &got, &sent),
    }
    let ended = stage.close().finish(0);
    assert_eq!(ended.stdout, if mode == SendOnly { &b""[..] } else { b"first" });
}

/// The peer ends its direction; our input is open and has nothing.
fn half_close_silent(transport: Transport, mode: Mode) {
    let mut stage = Stage::new(transport, mode, Input::Held);
    stage.peer.send(b"first");
    stage.peer.half_close();
    match mode {
        KeepOpen => {
            // Standard output is given up at once, so that the next program in a pipeline goes on.
            assert_eq!(stage.ncat.wait_output_end(), b"first");
            stage.peer.assert_silent_for(ABSENCE);
            stage.ncat.send(b"more");
            stage.ncat.end_input();
            assert_eq!(stage.peer.drain(), (b"more".to_vec(), Ended::Fin));
        }
        SendOnly => {
            stage.peer.assert_silent_for(ABSENCE);
            stage.ncat.send(b"more");
            stage.ncat.end_input();
            assert_eq!(stage.peer.drain(), (b"more".to_vec(), Ended::Fin));
        }
        _ => assert_eq!(stage.peer.drain(), (Vec::new(), Ended::Fin)),
    }
    let ended = stage.close().finish(0);
    assert_eq!(ended.stdout, if mode == SendOnly { &b""[..] } else { b"first" });
}

/// The peer goes away while our input has plenty ready: some of it cannot arrive.
fn close_ready(transport: Transport, mode: Mode) {
    let mut stage = Stage::new(transport, mode, Input::Bytes(plenty()));
    stage.peer.send(b"first");
    stage.ncat.wait_output(if mode == SendOnly { 0 } else { 5 });
    let gone = stage.close();
    lost(gone, mode);
}

fn lost(gone: Gone, mode: Mode) {
    match mode {
        RecvOnly => assert!(gone.finish(0).stderr.is_empty()),
        _ => drop(finish_saying(gone, 1, &["Broken pipe.", "Connection reset by peer."])),
    }
}

/// The peer goes away; our input is open and has nothing.
fn close_silent(transport: Transport, mode: Mode) {
    let mut stage = Stage::new(transport, mode, Input::Held);
    stage.peer.send(b"first");
    stage.ncat.wait_output(if mode == SendOnly { 0 } else { 5 });
    let mut gone = stage.close();
    match mode {
        // They wait for input, and learn only by sending it that nobody takes it.
        KeepOpen | SendOnly => {
            assert!(gone.ncat.runs_for(ABSENCE));
            gone.ncat.send(b"more");
            gone.ncat.end_input();
            finish_saying(gone, 1, &["Broken pipe.", "Connection reset by peer."]);
        }
        _ => drop(gone.finish(0)),
    }
}

/// The peer resets the connection.
fn reset(transport: Transport, mode: Mode) {
    let mut stage = Stage::new(transport, mode, Input::Held);
    stage.peer.send(b"first");
    if mode == RecvOnly && transport == Unix {
        // Nothing is ever on its way to the peer, so there is nothing it could leave unread.
        return;
    }
    stage.ncat.wait_output(if mode == SendOnly { 0 } else { 5 });
    if mode != RecvOnly {
        stage.ncat.send(b"unread");
    }
    let gone = stage.reset(transport);
    let ended = finish_saying(gone, 1, &["Connection reset by peer."]);
    assert_eq!(ended.stdout, if mode == SendOnly { &b""[..] } else { b"first" });
}
