//! Who is told an end, and what ends the broker.

use std::time::{Duration, Instant};

use testkit::script::Ended;

use super::room::{SILENCE, broker, hears, join};
use super::serve_support::{PATIENCE, Watch, assert_took};

#[test]
fn the_end_of_the_only_sender_is_told_to_all_others() {
    let server = broker(&["--broker-eof"]).start();
    let (mut sender, mut one, mut two) = (join(&server), join(&server), join(&server));
    sender.send(b"all of it");
    hears(&mut one, "all of it");
    sender.half_close();
    assert_eq!(one.drain(), (Vec::new(), Ended::Fin));
    assert_eq!(two.drain(), (b"all of it".to_vec(), Ended::Fin));
    // Who was told may still answer; the sender hears it, and the end when nobody is left to speak.
    drop(one);
    sender.assert_silent_for(SILENCE);
    two.send(b"thanks");
    hears(&mut sender, "thanks");
    drop(two);
    assert_eq!(sender.drain(), (Vec::new(), Ended::Fin));
    // The broker goes on: the next ones begin anew.
    let (mut next, mut other) = (join(&server), join(&server));
    next.send(b"more");
    hears(&mut other, "more");
    other.assert_silent_for(SILENCE);
}

#[test]
fn two_see_what_they_would_see_without_a_broker() {
    let server = broker(&["--broker-eof"]).start();
    let (mut one, mut two) = (join(&server), join(&server));
    one.send(b"a question");
    one.half_close();
    assert_eq!(two.drain(), (b"a question".to_vec(), Ended::Fin));
    two.send(b"an answer");
    two.half_close();
    assert_eq!(one.drain(), (b"an answer".to_vec(), Ended::Fin));
}

#[test]
fn receivers_with_an_empty_input_wait_for_the_sender() {
    let server = broker(&["--broker-eof"]).start();
    let mut receivers = [join(&server), join(&server)];
    receivers.iter_mut().for_each(|receiver| receiver.half_close());
    let mut third = join(&server);
    let mut sender = join(&server);
    sender.send(b"a file");
    sender.half_close();
    for receiver in receivers.iter_mut().chain([&mut third]) {
        assert_eq!(receiver.drain(), (b"a file".to_vec(), Ended::Fin));
    }
}

#[test]
fn while_another_speaks_nobody_is_told() {
    let server = broker(&["--broker-eof"]).start();
    let (mut one, mut two, mut three) = (join(&server), join(&server), join(&server));
    one.send(b"1");
    two.send(b"2");
    three.take(2);
    two.take(1);
    one.take(1);
    one.half_close();
    two.assert_silent_for(SILENCE);
    three.assert_silent_for(SILENCE);
    two.half_close();
    assert_eq!(three.drain(), (Vec::new(), Ended::Fin));
    assert_eq!(one.drain(), (Vec::new(), Ended::Fin));
}

#[test]
fn a_sender_that_is_torn_away_is_not_done() {
    let server = broker(&["--broker-eof"]).start();
    let (mut sender, mut receiver) = (join(&server), join(&server));
    sender.send(b"half of");
    hears(&mut receiver, "half of");
    sender.reset();
    server.said("Connection reset by peer");
    receiver.assert_silent_for(SILENCE);
}

#[test]
fn quit_after_the_end_of_input_is_in_order() {
    for (flag, least) in [("-q=300ms", 300), ("--eof=quit", 0)] {
        let words: Vec<&str> = flag.split('=').collect();
        let args: Vec<&str> = if words[0] == "-q" { words } else { vec![flag] };
        let mut server = broker(&args).start();
        let (mut one, mut two) = (join(&server), join(&server));
        server.send(b"the last words");
        let began = Instant::now();
        server.end_input();
        if least > 0 {
            one.send(b"a late question");
            hears(&mut two, "the last words");
            hears(&mut two, "a late question");
        } else {
            hears(&mut two, "the last words");
        }
        assert_eq!(two.drain(), (Vec::new(), Ended::Fin), "{flag}");
        assert_eq!(one.drain(), (b"the last words".to_vec(), Ended::Fin), "{flag}");
        server.wait().expect_code(0);
        assert_took(began, Duration::from_millis(least), PATIENCE);
    }
}

#[test]
fn quitting_does_not_wait_for_company() {
    let mut server = broker(&["--broker-eof", "-q", "200ms"]).start();
    let mut alone = join(&server);
    alone.send(b"is anybody here?");
    server.end_input();
    assert_eq!(alone.drain().0, b"");
    server.wait().expect_code(0);
}

#[test]
fn a_negative_quit_time_and_none_serve_on() {
    for args in [&["-q", "-1"][..], &["--send-only"], &[]] {
        let mut server = broker(args).start();
        let mut one = join(&server);
        server.send(b"bye");
        server.end_input();
        hears(&mut one, "bye");
        assert!(server.runs_for(Duration::from_millis(200)), "{args:?}");
        one.assert_silent_for(SILENCE);
    }
}

#[test]
fn a_silent_client_is_idle_by_itself() {
    let mut server = broker(&["-i", "1s"]).start();
    let (mut silent, mut two) = (join(&server), join(&server));
    assert_eq!(silent.drain(), (Vec::new(), Ended::Fin));
    server.said("Idle timeout expired (1000 ms)");
    assert_eq!(two.drain().1, Ended::Fin);
    assert!(server.is_running());
    // Both directions count: who only hears is not idle.
    let (mut speaks, mut hears_only) = (join(&server), join(&server));
    for _ in 0..15 {
        speaks.send(b".");
        hears(&mut hears_only, ".");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_signal_ends_it_with_128_and_its_number() {
    let server = broker(&[]).start();
    let mut one = join(&server);
    server.stop().expect_code(143);
    assert_eq!(one.drain().0, b"");
}
