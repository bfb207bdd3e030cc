//! TLS over SCTP and over vsock: the stage is the same, the ends below it are not.

use rustix::process::Signal;
use testkit::data::{self, assert_same};
use testkit::peer::Peer;
use testkit::process::{Input, Process, ncat};

use crate::pki::{Identity, Wanted};
use crate::vsock;

/// Longer than every buffer.
const LONG: usize = 5_000_000;

/// A root, and what it has signed, as files.
struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Identity::root();
        root.files(&dir, "root");
        let wanted = Wanted { ips: &["127.0.0.1", "::1"], ..Wanted::name(&["db.example"]) };
        root.issue(&wanted).files(&dir, "own");
        Self { dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }
}

/// Where the two meet: the options of both, the operands of the listener, those of the client but for
/// the port.
struct Meeting {
    options: &'static [&'static str],
    listen: &'static [&'static str],
    connect: &'static [&'static str],
}

const SCTP: [Meeting; 2] = [
    Meeting { options: &["--sctp"], listen: &["127.0.0.1", "0"], connect: &["127.0.0.1"] },
    Meeting { options: &["--sctp"], listen: &["::1", "0"], connect: &["::1"] },
];
const VSOCK: [Meeting; 1] = [Meeting { options: &["--vsock"], listen: &["0"], connect: &["1"] }];

impl Meeting {
    fn listener(&self, files: &Files, args: &[&str], input: Input) -> (Process, String) {
        let own = [files.path("own.pem"), files.path("own.key")];
        let program = ncat(self.options).args(["-lv", "--ssl-cert", &own[0], "--ssl-key", &own[1]]);
        let server = program.args(args).args(self.listen).input(input).start();
        let port = vsock::port(&server);
        (server, port)
    }

    fn client(&self, args: &[&str], port: &str, input: Input) -> Process {
        let program = ncat(self.options).args(["-v", "--ssl"]).args(args);
        program.args(self.connect).args([port]).input(input).start()
    }

    /// The server is checked, and both directions carry at once.
    fn both_ways(&self) {
        let files = Files::new();
        let (up, down) = (data::bytes(1, LONG + 12_345), data::bytes(2, LONG));
        let (server, port) = self.listener(&files, &[], Input::Bytes(down.clone()));
        let root = files.path("root.pem");
        let checked = ["--ssl-trustfile", &root, "--ssl-servername", "db.example"];
        let client = self.client(&checked, &port, Input::Bytes(up.clone()));
        let done = client.finish().expect_code(0);
        assert_same("down", &done.stdout, &down);
        assert!(done.stderr.contains("Peer: verified: name+chain."), "{}", done.stderr);
        let done = server.finish().expect_code(0);
        assert_same("up", &done.stdout, &up);
        assert!(!done.stderr.contains("close_notify"), "{}", done.stderr);
    }

    /// The end of input is told while the answer is still to come, also where the transport below knows
    /// no such thing.
    fn an_end_is_told_and_the_answer_comes(&self) {
        let files = Files::new();
        for keep in [&[][..], &["-k"]] {
            let args = [keep, &["-c", "wc -c; echo answered"]].concat();
            let (server, port) = self.listener(&files, &args, Input::Null);
            let client = self.client(&[], &port, Input::Bytes(data::bytes(3, LONG)));
            let done = client.finish().expect_code(0);
            assert_eq!(String::from_utf8_lossy(&done.stdout), format!("{LONG}\nanswered\n"));
            if keep.is_empty() {
                server.finish().expect_code(0);
            } else {
                server.signal(Signal::TERM);
                server.finish().expect_code(128 + 15);
            }
        }
    }

    /// Either side sends only, and what was sent has arrived when it ends.
    fn one_way(&self) {
        let files = Files::new();
        let sent = data::bytes(4, LONG);
        let (server, port) = self.listener(&files, &["--recv-only"], Input::Null);
        self.client(&["--send-only"], &port, Input::Bytes(sent.clone())).finish().expect_code(0);
        assert_same("up", &server.finish().expect_code(0).stdout, &sent);
        let (server, port) = self.listener(&files, &["--send-only"], Input::Bytes(sent.clone()));
        let done = self.client(&["--recv-only"], &port, Input::Null).finish().expect_code(0);
        assert_same("down", &done.stdout, &sent);
        server.finish().expect_code(0);
    }

    /// A port can be looked at, and who is not the one that was wanted is refused.
    fn strangers_are_refused(&self) {
        let files = Files::new();
        let (server, port) = self.listener(&files, &["-k"], Input::Held);
        let root = files.path("root.pem");
        let checked = ["-z", "--ssl-trustfile", &root, "--ssl-servername"];
        let look = |name| self.client(&[&checked[..], &[name]].concat(), &port, Input::Null);
        look("db.example").finish().expect_code(0);
        let done = look("other.example").finish().expect_code(1);
        let line = "Ncat: Certificate verification failed (hostname mismatch).";
        assert!(done.stderr.contains(line), "{}", done.stderr);
        server.signal(Signal::TERM);
        server.finish().expect_code(128 + 15);
    }
}

macro_rules! over {
    ($($test:ident $meetings:ident $row:ident;)*) => {
        $(#[ignore = "needs SCTP and vsock"]
        #[test]
        fn $test() {
            $meetings.iter().for_each(Meeting::$row);
        })*
    };
}

over! {
    sctp_carries_tls_both_ways SCTP both_ways;
    vsock_carries_tls_both_ways VSOCK both_ways;
    sctp_under_tls_has_an_end_of_each_direction SCTP an_end_is_told_and_the_answer_comes;
    vsock_under_tls_has_an_end_of_each_direction VSOCK an_end_is_told_and_the_answer_comes;
    sctp_carries_tls_one_way SCTP one_way;
    vsock_carries_tls_one_way VSOCK one_way;
    sctp_strangers_are_refused_under_tls SCTP strangers_are_refused;
    vsock_strangers_are_refused_under_tls VSOCK strangers_are_refused;
}

/// Debian's ncat at the other end, as client and as server.
#[ignore = "needs SCTP"]
#[test]
fn sctp_carries_tls_with_ncat() {
    let files = Files::new();
    let sent = data::bytes(5, LONG);
    let (server, port) = SCTP[0].listener(&files, &[], Input::Held);
    let Some(other) = Peer::Ncat.find() else { return };
    let other = other.args(["--sctp", "--ssl", "--send-only", "127.0.0.1", &port]);
    other.bytes(sent.clone()).run();
    assert_same("from ncat", &server.finish().expect_code(0).stdout, &sent);

    let Some(other) = Peer::Ncat.find() else { return };
    let (certificate, key) = (files.path("own.pem"), files.path("own.key"));
    let other = other.args(["--sctp", "-lv", "--ssl-cert", &certificate, "--ssl-key", &key]);
    let other = other.args(["127.0.0.1", "7010"]).held().start();
    other.wait_message("Listening on 127.0.0.1");
    let client = SCTP[0].client(&["--send-only"], "7010", Input::Bytes(sent.clone()));
    client.finish().expect_code(0);
    assert_same("to ncat", &other.finish().stdout, &sent);
}
