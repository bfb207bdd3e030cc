//! The rate stage on a paused clock: exact times, whole messages, nothing lost, no timer when idle.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use conn::stage::Rate;
use conn::{Conn, ConnInfo, Duplex, Paced, Recv, Shape};
use tokio::time::{Instant, advance};

/// The wire: gives what it was filled with, takes at most `gulp` bytes at a time and notes when.
#[derive(Default)]
struct Wire {
    source: VecDeque<Bytes>,
    is_open: bool,
    keeps_messages: bool,
    taken: Vec<(Instant, Bytes)>,
    gulp: usize,
    finished: Option<Instant>,
}

#[derive(Clone, Default)]
struct End(Arc<Mutex<Wire>>);

impl Duplex for End {
    fn poll_recv(
        &mut self,
        _cx: &mut Context<'_>,
        max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        let mut wire = self.0.lock().unwrap();
        let (is_open, keeps_messages) = (wire.is_open, wire.keeps_messages);
        match wire.source.front_mut() {
            None if is_open => Poll::Pending,
            None => Poll::Ready(Ok(Recv::End)),
            Some(piece) if piece.len() > max && !keeps_messages => {
                out.push_back(piece.split_to(max));
                Poll::Ready(Ok(Recv::Data))
            }
            Some(_) => {
                out.extend(wire.source.pop_front());
                Poll::Ready(Ok(Recv::Data))
            }
        }
    }

    fn poll_send(
        &mut self,
        _cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        let mut wire = self.0.lock().unwrap();
        let front = queue.front_mut().unwrap();
        let take = if wire.gulp == 0 { front.len() } else { front.len().min(wire.gulp) };
        let piece = front.split_to(take);
        if front.is_empty() {
            queue.pop_front();
        }
        wire.taken.push((Instant::now(), piece));
        Poll::Ready(Ok(take))
    }

    fn poll_finish(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().unwrap().finished = Some(Instant::now());
        Poll::Ready(Ok(()))
    }
}

fn wrapped(shape: Shape, wire: Wire, send: Option<u64>, recv: Option<u64>) -> (Conn, End) {
    let end = End(Arc::new(Mutex::new(wire)));
    let inner = Conn::from_duplex(ConnInfo::default(), shape, Box::new(end.clone()));
    (inner.wrap(|inner| Rate::new(inner, send, recv)), end)
}

/// Bytes that tell their place.
fn data(len: usize) -> Bytes {
    (0..len).map(|at| (at % 251) as u8).collect()
}

async fn send_all(conn: &mut Conn, mut queue: VecDeque<Bytes>) {
    std::future::poll_fn(|cx| conn.poll_send_all(cx, &mut queue)).await.unwrap();
}

async fn recv(conn: &mut Conn, out: &mut VecDeque<Bytes>) -> Recv {
    std::future::poll_fn(|cx| conn.poll_recv(cx, 64 * 1024, out)).await.unwrap()
}

/// Whether a time is what a rate says, within one in a hundred.
#[track_caller]
fn assert_takes(took: Duration, wanted: f64) {
    let took = took.as_secs_f64();
    assert!((took - wanted).abs() <= wanted / 100.0, "took {took} s, not {wanted}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_out_at_its_rate_from_the_first_byte_on() {
    for (rate, len, gulp) in [
        (1_000, 10_000, 0),
        (1_000, 10_000, 7),
        (3, 30, 0),
        (1, 5, 0),
        (50_000_000, 20_000_000, 0),
        (1_000_000, 3_000_000, 1),
    ] {
        // One byte at a time is a lot of work; less of it will do.
        let len = if gulp == 1 { len / 100 } else { len };
        let (mut conn, end) =
            wrapped(Shape::Stream, Wire { gulp, ..Wire::default() }, Some(rate), None);
        let began = Instant::now();
        let all = data(len);
        send_all(&mut conn, VecDeque::from([all.clone()])).await;
        assert_takes(began.elapsed(), len as f64 / rate as f64);
        let wire = end.0.lock().unwrap();
        let taken: Vec<u8> = wire.taken.iter().flat_map(|(_, piece)| piece.to_vec()).collect();
        assert!(taken == all, "rate {rate}");
        // At no time more than the rate and a fifth of a second's.
        let mut sum = 0;
        for (at, piece) in &wire.taken {
            sum += piece.len();
            let passed = (*at - began).as_secs_f64() + 0.2;
            assert!(sum as f64 <= passed * rate as f64 + 1.0, "{sum} after {passed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_comes_after_the_last_byte() {
    let (mut conn, end) = wrapped(Shape::Stream, Wire::default(), Some(100), None);
    let began = Instant::now();
    send_all(&mut conn, VecDeque::from([data(200)])).await;
    std::future::poll_fn(|cx| conn.poll_finish(cx)).await.unwrap();
    let wire = end.0.lock().unwrap();
    assert_takes(wire.finished.unwrap() - began, 2.0);
    assert_eq!(wire.taken.iter().map(|(_, piece)| piece.len()).sum::<usize>(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_stream_comes_in_at_its_rate_and_its_end_after_it() {
    let source = VecDeque::from([data(3000), data(2000)]);
    let (mut conn, _end) =
        wrapped(Shape::Stream, Wire { source, ..Wire::default() }, None, Some(1000));
    let began = Instant::now();
    let mut out = VecDeque::new();
    while recv(&mut conn, &mut out).await == Recv::Data {}
    assert_takes(began.elapsed(), 5.0);
    let got: Vec<u8> = out.iter().flat_map(|piece| piece.to_vec()).collect();
    assert!(got == [data(3000), data(2000)].concat());
}

#[tokio::test(start_paused = true)]
async fn messages_stay_whole_and_keep_the_rate() {
    let messages: Vec<Bytes> = [1400, 0, 9000, 1, 1400, 65_507, 0, 20].map(data).to_vec();
    let total: usize = messages.iter().map(Bytes::len).sum();
    let (mut conn, end) = wrapped(Shape::Message, Wire::default(), Some(10_000), None);
    let began = Instant::now();
    send_all(&mut conn, messages.clone().into()).await;
    assert_takes(began.elapsed(), total as f64 / 10_000.0);
    let taken: Vec<Bytes> =
        end.0.lock().unwrap().taken.iter().map(|(_, piece)| piece.clone()).collect();
    assert_eq!(taken, messages);

    let source = messages.clone().into();
    let wire = Wire { source, keeps_messages: true, ..Wire::default() };
    let (mut conn, _end) = wrapped(Shape::Message, wire, None, Some(10_000));
    let began = Instant::now();
    let mut out = VecDeque::new();
    while recv(&mut conn, &mut out).await == Recv::Data {}
    assert_takes(began.elapsed(), total as f64 / 10_000.0);
    assert_eq!(Vec::from(out), messages);
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_a_fifth_of_a_second_goes_at_once_and_no_more() {
    let (mut conn, end) = wrapped(Shape::Stream, Wire::default(), Some(1000), None);
    advance(Duration::from_secs(3600)).await;
    let began = Instant::now();
    send_all(&mut conn, VecDeque::from([data(1200)])).await;
    assert_takes(began.elapsed(), 1.0);
    let wire = end.0.lock().unwrap();
    let at_once: usize =
        wire.taken.iter().filter(|(at, _)| *at == began).map(|(_, piece)| piece.len()).sum();
    assert_eq!(at_once, 200);
}

#[tokio::test(start_paused = true)]
async fn no_timer_runs_while_nothing_waits() {
    let wire = Wire { source: VecDeque::from([data(100)]), is_open: true, ..Wire::default() };
    let (mut conn, _end) = wrapped(Shape::Stream, wire, Some(100), Some(100));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut out = VecDeque::new();
    assert_eq!(conn.paced(), Paced::default());
    assert!(conn.poll_recv(&mut cx, 1000, &mut out).is_pending());
    assert_eq!(conn.paced(), Paced { send: false, recv: true });
    assert!(conn.is_readable(), "what is held is not lost when the other side ends");
    while out.iter().map(Bytes::len).sum::<usize>() < 100 {
        recv(&mut conn, &mut out).await;
    }
    assert!(conn.poll_recv(&mut cx, 1000, &mut out).is_pending());
    assert_eq!(conn.paced(), Paced::default(), "the peer is waited for, not the clock");
    // A direction without a rate never waits.
    let (mut conn, _end) = wrapped(Shape::Stream, Wire::default(), None, Some(1));
    let mut queue = VecDeque::from([data(1_000_000)]);
    assert!(conn.poll_send_all(&mut cx, &mut queue).is_ready());
}
