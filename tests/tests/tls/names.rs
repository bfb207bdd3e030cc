//! Whose certificate is taken for whose.

use testkit::process::{Finished, ncat};

use crate::peer::{Server, drain};
use crate::pki::{Identity, Wanted};

struct Row {
    dns: &'static [&'static str],
    ips: &'static [&'static str],
    common_name: &'static str,
    asked: &'static str,
    fits: bool,
}

const fn dns(dns: &'static [&'static str], asked: &'static str, fits: bool) -> Row {
    Row { dns, ips: &[], common_name: "x", asked, fits }
}

const ROWS: &[Row] = &[
    dns(&["db.example.com"], "db.example.com", true),
    dns(&["db.example.com"], "DB.Example.COM", true),
    dns(&["db.example.com"], "db.example.com.", true),
    dns(&["other.example.com", "db.example.com"], "db.example.com", true),
    dns(&["db.example.com"], "db.example.org", false),
    dns(&["db.example.com"], "x.db.example.com", false),
    dns(&["db.example.com"], "example.com", false),
    dns(&["*.example.com"], "db.example.com", true),
    dns(&["*.example.com"], "DB.EXAMPLE.com", true),
    dns(&["*.example.com"], "example.com", false),
    dns(&["*.example.com"], "a.b.example.com", false),
    dns(&["*.*.example.com"], "a.b.example.com", false),
    dns(&["d*.example.com"], "db.example.com", false),
    dns(&["*b.example.com"], "db.example.com", false),
    dns(&["db.*.com"], "db.example.com", false),
    dns(&["*"], "localhost", false),
    dns(&["*.com"], "example.com", false),
    dns(&["192.0.2.1"], "192.0.2.1", false),
    // The common name never counts.
    Row { dns: &[], ips: &[], common_name: "db.example.com", asked: "db.example.com", fits: false },
    // Addresses are compared as addresses.
    Row { dns: &[], ips: &["192.0.2.1"], common_name: "x", asked: "192.0.2.1", fits: true },
    Row { dns: &[], ips: &["192.0.2.1"], common_name: "x", asked: "192.0.2.2", fits: false },
    Row { dns: &[], ips: &["2001:db8::1"], common_name: "x", asked: "2001:DB8:0::1", fits: true },
    Row {
        dns: &["192.0.2.1"],
        ips: &[],
        common_name: "192.0.2.1",
        asked: "192.0.2.1",
        fits: false,
    },
];

pub(crate) fn ask(root: &Identity, own: &Identity, args: &[&str]) -> Finished {
    let dir = tempfile::tempdir().unwrap();
    let (trusted, _) = root.files(&dir, "root");
    let server = Server::new(own, |_| {});
    let port = server.port();
    let client = ncat(["-v", "--ssl-trustfile"])
        .args([&trusted])
        .args(args)
        .args(["127.0.0.1", &port])
        .bytes("hello")
        .start();
    if let Ok(mut peer) = server.try_accept() {
        drain(&mut peer);
    }
    client.finish()
}

#[test]
fn names_are_matched_as_rfc_9525_has_it() {
    let root = Identity::root();
    for row in ROWS {
        let wanted = Wanted {
            common_name: row.common_name,
            dns: row.dns,
            ips: row.ips,
            valid: (-1, 30),
            is_authority: false,
        };
        let done = ask(&root, &root.issue(&wanted), &["--ssl-servername", row.asked]);
        let what = format!("{} for {:?} {:?}:\n{}", row.asked, row.dns, row.ips, done.stderr);
        assert_eq!(done.code(), Some(i32::from(!row.fits)), "{what}");
        let said = if row.fits {
            "Ncat: Peer: verified: name+chain.\n"
        } else {
            "Ncat: Certificate verification failed ("
        };
        assert!(done.stderr.contains(said), "{what}");
        assert!(
            row.fits || done.stderr.contains("--ssl-servername names whom to expect"),
            "{what}"
        );
    }
}

#[test]
fn without_a_server_name_the_host_is_expected() {
    let root = Identity::root();
    let here = Wanted { ips: &["127.0.0.1"], ..Wanted::name(&[]) };
    let done = ask(&root, &root.issue(&here), &[]).expect_code(0);
    assert!(done.stderr.contains("verified: name+chain"), "{}", done.stderr);
    let done = ask(&root, &root.issue(&Wanted::name(&["localhost"])), &[]).expect_code(1);
    assert!(done.stderr.contains("IP address mismatch"), "{}", done.stderr);
    assert!(done.stderr.contains("for localhost"), "{}", done.stderr);
}
