//! Datagrams that are lost, doubled, out of order.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use testkit::process::{Program, ncat, ncat_path};

use crate::pki::{Identity, Wanted};
use crate::relay::{Burst, Relay, Way};

/// A chain that takes several datagrams.
fn long_chain() -> Identity {
    let mut last = Identity::root();
    for name in ["one", "two", "three"] {
        last = last.issue(&Wanted::authority(name));
    }
    last.issue(&Wanted::name(&["localhost"]))
}

/// A question and an answer over a link with this script, once the handshake is done.
fn talk(own: &Identity, script: impl FnMut(Way, Burst) -> Burst + Send + 'static) {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = own.files(&dir, "own");
    let server = ncat(["-lv", "-u", "-w", "50s", "--ssl-cert"]).args([&certificate]);
    let server = server.args(["--ssl-key".as_ref(), key.as_os_str()]).args(["127.0.0.1", "0"]);
    let mut server = server.held().start();
    let relay = Relay::start(server.listening().port(), script);
    let client = ncat(["-v", "-u", "--ssl", "-w", "50s", "127.0.0.1", &relay.port.to_string()]);
    let mut client = client.held().start();
    client.wait_message("DTLSv1.2");
    server.wait_message("DTLSv1.2");
    client.send(b"question");
    assert_eq!(server.wait_output(8), b"question");
    server.send(b"answer");
    assert_eq!(client.wait_output(6), b"answer");
}

#[test]
fn each_datagram_of_a_handshake_may_be_lost() {
    let own = long_chain();
    let (mut threads, mut lost) = (Vec::new(), Vec::new());
    for way in [Way::ToServer, Way::ToClient] {
        for nth in 0..7 {
            let own = own.clone();
            let (tell, told) = std::sync::mpsc::channel();
            lost.push(((way, nth), told));
            threads.push(std::thread::spawn(move || {
                let mut count = 0;
                let tell = move |own: Way, burst: Burst| {
                    let mut kept = Vec::new();
                    for datagram in burst {
                        // After the handshake nothing is sent again.
                        let is_it = own == way && count == nth && datagram[0] != 23;
                        count += usize::from(own == way);
                        if is_it { tell.send(()).unwrap() } else { kept.push(datagram) }
                    }
                    kept
                };
                talk(&own, tell);
            }));
        }
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let hit = lost.iter().filter(|(_, told)| told.try_recv().is_ok()).count();
    assert!(hit >= 6, "{hit} of the handshake's datagrams were lost: too few to show anything");
}

#[test]
fn flights_may_arrive_backwards_and_twice() {
    talk(&long_chain(), |_, mut burst| {
        burst.reverse();
        burst
    });
    talk(&long_chain(), |_, burst| burst.iter().flat_map(|d| [d.clone(), d.clone()]).collect());
}

/// Both ends' flights are longer than a datagram of this path, which drops those that are too long and
/// says nothing: they are sent again in shorter ones. One way at a time, since an end that is not answered
/// makes its own shorter as well.
#[test]
fn a_path_for_short_datagrams_has_short_ones() {
    const PATH: usize = 508;
    let dir = tempfile::tempdir().unwrap();
    let root = Identity::root();
    let (trusted, _) = root.files(&dir, "root");
    let (certificate, key) = long_chain().files(&dir, "own");
    let mut last = root;
    for name in ["four", "five", "six"] {
        last = last.issue(&Wanted::authority(name));
    }
    let (own, own_key) = last.issue(&Wanted::name(&["client"])).files(&dir, "client");
    for narrow in [Way::ToServer, Way::ToClient] {
        let server = ncat(["-lv", "-u", "-w", "50s", "--ssl-client-ca"]).args([&trusted]);
        let server = server.args(["--ssl-cert"]).args([&certificate]).args(["--ssl-key"]);
        let server = server.args([&key]).args(["127.0.0.1", "0"]).held().start();
        let lost = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lost);
        let relay = Relay::start(server.listening().port(), move |way, mut burst| {
            let before = burst.len();
            burst.retain(|datagram| way != narrow || datagram.len() <= PATH);
            counted.fetch_add(before - burst.len(), Ordering::Relaxed);
            burst
        });
        let client = ncat(["-v", "-u", "-w", "50s", "--ssl-cert"]).args([&own]);
        let client = client.args(["--ssl-key"]).args([&own_key]);
        let mut client = client.args(["127.0.0.1", &relay.port.to_string()]).held().start();
        client.wait_message("DTLSv1.2");
        server.wait_message("Peer: verified: chain.");
        client.send(b"question");
        assert_eq!(server.wait_output(8), b"question");
        let lost = lost.load(Ordering::Relaxed);
        assert!(lost > 1, "{narrow:?}: {lost} were too long, and the second try was no trouble");
    }
}

#[test]
fn what_somebody_else_throws_in_changes_nothing() {
    talk(&long_chain(), |_, burst| {
        let garbage = [b"x".to_vec(), vec![], vec![22; 200], b"GET / HTTP/1.1\r\n\r\n".to_vec()];
        let forged = [&[23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 99, 0, 40][..], &[7; 40]].concat();
        // A fatal alert that nobody signed, in the clear.
        let alert = vec![21, 254, 253, 0, 1, 0, 0, 0, 0, 0, 98, 0, 2, 2, 40];
        let more = burst.into_iter().flat_map(|d| {
            let mut all = garbage.to_vec();
            all.extend([forged.clone(), d, alert.clone()]);
            all
        });
        more.collect()
    });
}

#[test]
fn a_link_that_loses_every_tenth_datagram() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut places = here
        .ancestors()
        .flat_map(|dir| [dir.join("shared/tools/netlab"), dir.join("../shared/tools/netlab")]);
    let lab = places.find(|path| path.exists());
    let is_root = rustix::process::geteuid().is_root();
    let (Some(lab), true) = (lab.filter(|_| Path::new("/dev/net/tun").exists()), is_root) else {
        use std::io::Write;
        let line = b"SKIPPED: netlab needs root, /dev/net/tun and ../shared/tools/netlab\n";
        let _ = std::io::stderr().write_all(line);
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    for address in ["$NETLAB_PEER", "$NETLAB_PEER6"] {
        let lines: String = (0..100).map(|i| format!("line {i:04}\n")).collect();
        fs::write(dir.path().join("lines"), &lines).unwrap();
        let a = "exec \"$NCAT\" -v -l -u --ssl -i 20s 5000 >\"$DIR/got\"";
        // Paced, so that what is lost is lost by the link.
        let b = format!(
            "sleep 0.5; while read -r line; do echo \"$line\"; sleep 0.01; done <\"$DIR/lines\" | \
             \"$NCAT\" -v -u --ssl -w 60s {address} 5000"
        );
        let link = ["--loss", "10", "--delay", "5", "--reorder", "5", "--dup", "2"];
        let words = [&link[..], &["--timeout", "100", "--ready", "udp:5000", a, &b]].concat();
        let ended = Program::new(&lab).args(words).env("NCAT", ncat_path()).env("DIR", dir.path());
        let ended = ended.run();
        assert!(ended.stderr.contains("SSL connection to "), "{}", ended.stderr);
        let got = fs::read_to_string(dir.path().join("got")).unwrap();
        let mut got: Vec<&str> = got.lines().collect();
        // Not all arrive, but those that do are whole and came once, whatever the link doubled.
        assert!(got.len() > 50, "{} lines; {}", got.len(), ended.stderr);
        assert!(got.iter().all(|line| lines.contains(*line) && line.len() == 9), "{got:?}");
        got.sort_unstable();
        let count = got.len();
        got.dedup();
        assert_eq!(got.len(), count, "a datagram came twice");
    }
}
