//! Commands that behave badly.

use std::io::Write;
use std::net::Shutdown;

use super::serve_support::{Watch, eventually};
use super::{children, rest, served, some};

#[test]
fn row_07_one_that_writes_before_it_reads_does_not_stall() {
    let (server, mut client) = served(&["-c", "head -c 5000000 /dev/zero; wc -c"]);
    let mut writer = client.try_clone().unwrap();
    let feeder = std::thread::spawn(move || {
        writer.write_all(&vec![1; 5_000_000]).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let text = rest(&mut client);
    feeder.join().unwrap();
    assert_eq!(text.len(), 5_000_000 + "5000000\n".len());
    assert!(text.ends_with("5000000\n"));
    server.finish().expect_code(0);
}

#[test]
fn one_that_closes_its_input_does_not_stop_the_peer() {
    let (server, mut client) = served(&["-c", "exec <&-; sleep 0.3; echo done"]);
    client.write_all(&vec![1; 10_000_000]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), "done\n");
    server.finish().expect_code(0);
}

#[test]
fn one_that_reads_nothing_does_not_make_us_grow() {
    let (mut server, mut client) = served(&["-c", "echo ready; exec sleep 600"]);
    assert_eq!(some(&mut client, 6), "ready\n");
    client.set_write_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
    let piece = vec![1; 1 << 20];
    let mut taken = 0;
    // As much of a gigabyte as anybody takes: pipes and socket buffers, then no more.
    while taken < 1 << 30 {
        match client.write(&piece) {
            Ok(n) => taken += n,
            Err(_) => break,
        }
    }
    assert!(taken < 64 << 20, "{taken} bytes were taken by nobody");
    assert!(testkit::procfs::resident_kib(server.pid()) < 32 * 1024);
    assert!(server.is_running());
    server.stop().expect_code(143);
}

#[test]
fn one_that_writes_much_and_dies_loses_nothing() {
    let (server, mut client) = served(&["-c", "head -c 1000000000 /dev/zero; kill -KILL $$"]);
    let bytes = std::io::copy(&mut client, &mut std::io::sink()).unwrap();
    assert_eq!(bytes, 1_000_000_000);
    server.finish().expect_code(0);
}

#[test]
fn one_that_closes_both_ends_and_lives_is_waited_for() {
    let (mut server, mut client) = served(&["-c", "exec <&- >&-; sleep 1; echo over >&2"]);
    assert_eq!(rest(&mut client), "", "FIN comes when it closes its output");
    client.shutdown(Shutdown::Write).unwrap();
    assert!(server.is_running());
    assert!(server.finish().expect_code(0).stderr.contains("over\n"));
}

#[test]
fn one_that_leaves_a_daemon_leaves_it_to_live() {
    let dir = super::serve_support::scratch();
    let file = dir.path().join("pid");
    let script = format!(
        "setsid sleep 600 </dev/null >/dev/null 2>&1 & echo $! >{}; echo done",
        file.display()
    );
    let (server, mut client) = served(&["-c", &script]);
    assert_eq!(rest(&mut client), "done\n");
    drop(client);
    server.finish().expect_code(0);
    let pid: u32 =
        eventually("its number", || std::fs::read_to_string(&file).ok()?.trim().parse().ok());
    assert!(super::is_alive(pid));
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, super::serve_support::Signal::KILL).unwrap();
}

#[test]
fn one_that_is_stopped_uses_no_processor_time() {
    let (server, mut client) = served(&["-c", "echo ready; kill -STOP $$"]);
    assert_eq!(some(&mut client, 6), "ready\n");
    let pid = children(server.pid())[0];
    eventually("a stopped command", || (super::state(pid) == Some('T')).then_some(()));
    let before = testkit::procfs::cpu_ticks(server.pid());
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(testkit::procfs::cpu_ticks(server.pid()) - before <= 1);
    // SIGTERM waits until it is continued; SIGKILL does not.
    server.stop().expect_code(143);
    assert!(!super::is_alive(pid));
}
