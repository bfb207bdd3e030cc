//! Commands that cannot be run.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use super::serve_support::{Watch, ncat, scratch};
use super::{connect, rest, some};

#[test]
fn row_25_a_command_that_cannot_be_run_is_explained_and_the_peer_sees_an_end() {
    let dir = scratch();
    let plain = dir.path().join("plain");
    std::fs::write(&plain, "echo no interpreter\n").unwrap();
    let script = dir.path().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    let bare = dir.path().join("bare");
    std::fs::write(&bare, "echo no interpreter\n").unwrap();
    for path in [&script, &bare] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    for (command, reason, hint) in [
        ("/no/such/program", "No such file or directory", "does not search PATH"),
        ("cat", "No such file or directory", "does not search PATH"),
        (plain.to_str().unwrap(), "Permission denied", "chmod +x"),
        ("/tmp", "Permission denied", "a directory"),
        (script.to_str().unwrap(), "No such file or directory", "interpreter in its first line"),
        (bare.to_str().unwrap(), "Exec format error", "#!"),
    ] {
        let server = ncat(["-v", "-lk", "127.0.0.1", "0", "-e", command]).start();
        let port = server.port();
        for _ in 0..2 {
            let mut client = connect(port);
            client.write_all(b"is anybody there?").unwrap();
            assert_eq!(rest(&mut client), "", "an end, no reset");
        }
        let said = server.said("  hint: ");
        let wanted = format!("exec: {reason}\n  running {command}\n  hint: ");
        assert!(said.contains(&wanted) && said.contains(hint), "{said}");
        server.stop().expect_code(143);
    }
}

#[test]
fn the_exit_code_is_ncats_unless_the_commands_is_asked_for() {
    for (option, codes) in [(None, [0, 0]), (Some("--exec-exit"), [127, 126])] {
        for (command, code) in ["/no/such/program", "/etc/passwd"].iter().zip(codes) {
            let server = ncat(["-v", "-l", "127.0.0.1", "0", "-e", command]).args(option).start();
            assert_eq!(rest(&mut connect(server.port())), "");
            server.finish().expect_code(code);
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port().to_string();
            let client = ncat(["127.0.0.1", &port, "-e", command]).args(option).start();
            let (mut peer, _) = listener.accept().unwrap();
            assert_eq!(rest(&mut peer), "");
            drop(peer);
            client.finish().expect_code(code);
        }
    }
}

#[test]
fn an_empty_command_is_refused_before_anything_is_opened() {
    let dir = scratch();
    let log = dir.path().join("log");
    for command in ["", " \t", "''"] {
        let args = ["-l", "127.0.0.1", "0", "-o", log.to_str().unwrap(), "-e", command];
        let ended = ncat(args).run().expect_code(2);
        assert_eq!(ended.first_line(), "Ncat: The command of -e is empty. QUITTING.");
        assert!(!log.exists());
    }
}

#[test]
fn combinations_that_make_no_sense_are_refused() {
    for (args, wanted) in [
        (&["-e", "a", "-c", "b", "x"][..], "Ncat: Only one of --exec, --sh-exec, and --lua-exec"),
        (&["-z", "-e", "a", "x"], "Ncat: Command execution can't be done along with option -z."),
        (&["--pty", "x"], "Ncat: Invalid option combination: --pty without -e, -c or --lua-exec."),
        (
            &["-lk", "--exec-exit", "-e", "a"],
            "Ncat: Invalid option combination: --exec-exit and -k.",
        ),
        (
            &["-l", "--exec-handover", "-C", "-e", "a"],
            "Ncat: Invalid option combination: --exec-handover and -C.",
        ),
        (&["--exec-limit", "mem=x", "-e", "a", "x"], "Ncat: Invalid --exec-limit value \"mem=x\"."),
    ] {
        let ended = ncat(args).run().expect_code(2);
        assert!(ended.first_line().starts_with(wanted), "{}", ended.stderr);
    }
}

#[test]
fn no_process_to_be_had_is_said_and_not_the_end() {
    // Of this user's processes; root is not limited, so the limit is tried as somebody else.
    if !super::serve_support::is_root() {
        return super::serve_support::skip("another user needs root");
    }
    let dir = scratch();
    let binary = dir.path().join("ncat");
    std::fs::copy(testkit::process::ncat_path(), &binary).unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let line = format!(
        "exec setpriv --reuid 63211 --clear-groups prlimit --nproc=1 {} -v -lk 127.0.0.1 0 -e /bin/true",
        binary.display()
    );
    let server = testkit::process::shell(&line).start();
    let port = server.port();
    assert_eq!(rest(&mut connect(port)), "");
    server.said("exec: Resource temporarily unavailable\n");
    server.said("hint: this user or system has as many processes as it may");
    assert_eq!(rest(&mut connect(port)), "");
    server.stop().expect_code(143);
}

#[test]
fn no_descriptors_for_its_pipes_is_said_and_not_the_end() {
    // One client's command has its pipes; the next ones come until there are no descriptors left.
    let line = format!(
        "exec prlimit --nofile=64 {} -v -lk 127.0.0.1 0 -e /bin/cat",
        testkit::process::ncat_path().display()
    );
    let server = testkit::process::shell(&line).start();
    let port = server.port();
    let mut first = connect(port);
    first.write_all(b"here").unwrap();
    assert_eq!(some(&mut first, 4), "here");
    let crowd: Vec<_> = (0..60).map(|_| connect(port)).collect();
    server.said("Too many open files");
    first.write_all(b"still").unwrap();
    assert_eq!(some(&mut first, 5), "still");
    drop(crowd);
    super::eventually("a place for the next one", || {
        let mut next = connect(port);
        next.write_all(b"again").unwrap();
        let mut got = [0; 5];
        std::io::Read::read_exact(&mut next, &mut got).ok()?;
        (&got == b"again").then_some(())
    });
    server.stop().expect_code(143);
}
