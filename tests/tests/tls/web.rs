//! `--ssl` with nginx, and through stunnel both ways.

use std::io::Write;
use std::net::TcpListener;

use testkit::data::{assert_same, bytes};
use testkit::peer::find;
use testkit::process::{Input, Process, Program, ncat};

use crate::daemon::Daemon;

const MB3: usize = 3 << 20;

fn nginx() -> Option<Daemon> {
    Daemon::start(|place| {
        let program = find("nginx", "nginx")?;
        std::fs::write(place.make_dir("pages").join("big"), bytes(5, MB3)).unwrap();
        let conf = place.write(
            "conf",
            "daemon off;\npid DIR/pid;\nerror_log stderr;\nevents { }\nhttp {\n access_log off;\n\
             client_body_temp_path DIR/a; proxy_temp_path DIR/b; fastcgi_temp_path DIR/c;\n\
             uwsgi_temp_path DIR/d; scgi_temp_path DIR/e;\n\
             ssl_certificate DIR/own.pem; ssl_certificate_key DIR/own.key;\n\
             server {\n listen 127.0.0.1:PORT ssl http2;\n root DIR/pages;\n\
             location = /alpn { return 200 \"$ssl_alpn_protocol $ssl_server_name\"; }\n }\n\
             server {\n listen 127.0.0.1:OTHER ssl;\n ssl_verify_client on;\n\
             ssl_client_certificate DIR/root.pem;\n location / { return 200 \"$ssl_client_s_dn\"; }\n }\n}\n",
        );
        // It complains about the place of its first log before it has read where that is.
        Some(program.args(["-e", "stderr", "-p", &place.text(""), "-c"]).args([conf]))
    })
}

const GET: &str = "GET /alpn HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[test]
fn nginx_gives_a_page() {
    let Some(daemon) = nginx() else { return };
    let root = daemon.place.text("root.pem");
    let checked = ["-v", "--ssl-servername", "localhost", "--ssl-trustfile", &root];
    let get = |args: &[&str], request: &str| {
        let program = ncat(checked).args(args).args(["127.0.0.1", &daemon.port()]);
        program.bytes(request).run().expect_code(0)
    };
    let done = get(&["--ssl-alpn", "nonsense,http/1.1"], GET);
    let page = String::from_utf8(done.stdout).unwrap();
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.ends_with("\r\n\r\nhttp/1.1 localhost"), "{page}");
    assert!(done.stderr.contains("ALPN http/1.1, server name localhost."), "{}", done.stderr);
    assert!(done.stderr.contains("verified: name+chain"), "{}", done.stderr);
    // HTTP/2 is agreed on: what comes first is its SETTINGS frame.
    let mut client =
        ncat(checked).args(["--ssl-alpn", "h2", "127.0.0.1", &daemon.port()]).held().start();
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert_eq!(client.wait_output(9)[3], 4);
    client.wait_message("ALPN h2");
    drop(client);
    // Nothing in common is an alert (RFC 7301, section 3.2).
    let none = ncat(checked).args(["--ssl-alpn", "gopher", "127.0.0.1", &daemon.port()]);
    let done = none.run().expect_code(1);
    assert!(done.stderr.contains("the peer says: no application protocol"), "{}", done.stderr);
    assert!(done.stderr.contains("(--ssl-alpn)"), "{}", done.stderr);
}

/// A body of many records, which nginx still has to send when it is done with us: with a request whose
/// end comes later it would be reset by that, and the rest lost.
#[test]
fn nginx_gives_a_long_page_whole() {
    let Some(daemon) = nginx() else { return };
    let request = GET.replace("/alpn", "/big");
    let place = daemon.place.write("request", &request);
    let check = |program: Program, what: &str| {
        let done = program.run().expect_code(0);
        let body = done.stdout.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        assert_same(what, &done.stdout[body..], &bytes(5, MB3));
    };
    for _ in 0..10 {
        let ncat = || ncat(["-v", "--ssl", "127.0.0.1", &daemon.port()]);
        check(ncat().bytes(request.clone()), "a pipe");
        check(ncat().input(Input::Fd(std::fs::File::open(&place).unwrap().into())), "a file");
        check(ncat().args(["--no-shutdown"]).bytes(request.clone()), "no end at all");
    }
}

#[test]
fn nginx_wants_a_client_certificate() {
    let Some(daemon) = nginx() else { return };
    let port = daemon.place.other_port.to_string();
    let (certificate, key) = (daemon.place.text("client.pem"), daemon.place.text("client.key"));
    let own = ["--ssl-cert", &certificate, "--ssl-key", &key];
    let done = ncat(own).args(["127.0.0.1", &port]).bytes(GET).run().expect_code(0);
    let page = String::from_utf8(done.stdout).unwrap();
    assert!(page.contains("\r\n\r\nO=Example Ltd,CN=client.example"), "{page}");
    let done = ncat(["--ssl", "127.0.0.1", &port]).bytes(GET).run().expect_code(0);
    let page = String::from_utf8(done.stdout).unwrap();
    assert!(page.contains("No required SSL certificate was sent"), "{page}");
}

/// Plain HTTP to a TLS port and TLS to a plain port, with somebody else's server.
#[test]
fn nginx_is_spoken_to_in_the_wrong_way() {
    let Some(daemon) = nginx() else { return };
    let done = ncat(["127.0.0.1", &daemon.port()]).bytes(GET).run().expect_code(0);
    let page = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(page.contains("The plain HTTP request was sent to HTTPS port"), "{page}");
}

/// stunnel, between `PORT` and whoever is at `to`.
fn stunnel(section: &str, to: &str) -> Option<Daemon> {
    Daemon::start(|place| {
        let program = find("stunnel4", "stunnel4")?;
        let text = format!(
            "foreground = yes\npid =\ndebug = err\nsyslog = no\n[x]\naccept = 127.0.0.1:PORT\n\
             connect = {to}\n{section}"
        );
        Some(program.args([place.write("conf", &text)]))
    })
}

fn exchange(ours: &mut Process, theirs: &mut std::net::TcpStream) {
    let (there, back) = (bytes(6, MB3), bytes(7, MB3));
    let writing = back.clone();
    let mut socket = theirs.try_clone().unwrap();
    let writer = std::thread::spawn(move || socket.write_all(&writing).unwrap());
    let mut got = vec![0; there.len()];
    std::io::Read::read_exact(theirs, &mut got).unwrap();
    assert_same("to the other side", &got, &there);
    assert_same("from the other side", &ours.wait_output(back.len()), &back);
    writer.join().unwrap();
}

#[test]
fn stunnel_serves_us() {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = plain.local_addr().unwrap().to_string();
    let Some(daemon) = stunnel("cert = DIR/own.pem\nkey = DIR/own.key\n", &to) else { return };
    let root = daemon.place.text("root.pem");
    let mut ncat =
        ncat(["--ssl-trustfile", &root, "127.0.0.1", &daemon.port()]).bytes(bytes(6, MB3)).start();
    let (mut socket, _) = plain.accept().unwrap();
    exchange(&mut ncat, &mut socket);
    drop(socket);
    ncat.finish().expect_code(0);
}

#[test]
fn stunnel_asks_us() {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    // Only so that there is a certificate of a root for both.
    let Some(certified) = stunnel(
        "cert = DIR/own.pem\nkey = DIR/own.key\n",
        &plain.local_addr().unwrap().to_string(),
    ) else {
        return;
    };
    let text = |name| certified.place.text(name);
    let mut server = ncat([
        "-lv",
        "127.0.0.1",
        "0",
        "--ssl-cert",
        &text("own.pem"),
        "--ssl-key",
        &text("own.key"),
    ])
    .bytes(bytes(6, MB3))
    .start();
    let to = server.listening().to_string();
    let section = format!(
        "client = yes\nverifyChain = yes\nCAfile = {}\ncheckIP = 127.0.0.1\n",
        text("root.pem")
    );
    let Some(daemon) = stunnel(&section, &to) else { return };
    let mut socket = std::net::TcpStream::connect(("127.0.0.1", daemon.place.port)).unwrap();
    exchange(&mut server, &mut socket);
    drop(socket);
    server.finish().expect_code(0);
}

#[test]
fn stunnel_speaks_smtp_before_it_begins() {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = plain.local_addr().unwrap().to_string();
    let section = "cert = DIR/own.pem\nkey = DIR/own.key\nprotocol = smtp\n";
    let Some(daemon) = stunnel(section, &to) else { return };
    let root = daemon.place.text("root.pem");
    let serving = std::thread::spawn(move || {
        let (mut socket, _) = plain.accept().unwrap();
        socket.write_all(b"220 behind stunnel\r\n").unwrap();
        let mut got = Vec::new();
        std::io::Read::read_to_end(&mut socket, &mut got).unwrap();
        got
    });
    let mut ncat =
        ncat(["-vv", "--starttls", "smtp", "--ssl-trustfile", &root, "127.0.0.1", &daemon.port()])
            .held()
            .start();
    ncat.wait_message("verified: name+chain");
    ncat.send(b"QUIT\r\n");
    ncat.end_input();
    assert!(serving.join().unwrap().ends_with(b"QUIT\r\n"));
    ncat.finish().expect_code(0);
}
