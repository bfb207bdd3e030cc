//! The example filters, with the programs they are for.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::{Path, PathBuf};

use testkit::process::{Process, Program};

use super::connect;
use super::serve_support::{Peer, Watch, ncat};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/lua/examples").join(name)
}

fn web() -> Process {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/lua/programs/httpd.lua");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/lua/examples");
    let server = ncat(["-v", "-lk", "127.0.0.1", "0", "--lua-exec"]).args([&program]);
    server.under(["env", "-C", root.to_str().unwrap()]).start()
}

/// Our listener with an example, and what belongs to it.
fn listener(name: &str, arguments: &str) -> Process {
    let spec = format!("{}:{arguments}", example(name).display());
    ncat(["-v", "-lk", "127.0.0.1", "0", "--lua-allow", "net", "-L", &spec]).held().start()
}

fn curl() -> Option<Program> {
    testkit::peer::find("curl", "curl").map(|curl| curl.args(["-sS", "--max-time", "20"]))
}

#[test]
fn forwarding_serves_curl() {
    let web = web();
    let server = listener("forward.lua", &format!("to=127.0.0.1\\:{}", web.port()));
    let Some(curl) = curl() else { return };
    let url = format!("http://127.0.0.1:{}/forward.lua", server.port());
    let got = curl.args([&url, &url]).run().expect_code(0).stdout;
    let text = std::fs::read(example("forward.lua")).unwrap();
    assert_eq!(got, text.repeat(2));
    let said = server.said("bytes there");
    assert!(!said.contains("GET "), "{said}");
    assert_eq!(server.output(), "");
    // A server that is not there is told, and the next client is served.
    let none = listener("forward.lua", "to=127.0.0.1\\:1");
    let mut rest = Vec::new();
    let _ = connect(none.port()).read_to_end(&mut rest);
    none.said("Connection refused");
    web.stop();
    server.stop().expect_code(143);
}

#[cfg(feature = "tls")]
#[test]
fn forwarding_speaks_tls_for_who_cannot() {
    let Some(socat) = Peer::Socat.find() else { return };
    let server = ncat(["-v", "-lk", "--ssl", "127.0.0.1", "0", "-c", "tr a-z A-Z"]).start();
    let forward = listener("forward.lua", &format!("to=127.0.0.1\\:{},tls", server.port()));
    let at = format!("TCP:127.0.0.1:{}", forward.port());
    let got = socat.args(["-t5", "-", &at]).bytes("plain\n").run().expect_code(0).stdout;
    assert_eq!(got, b"PLAIN\n");
    forward.stop();
    server.stop();
}

#[test]
fn one_port_serves_whoever_speaks_first_and_who_does_not() {
    let web = web();
    let ssh = ncat(["-v", "-lk", "127.0.0.1", "0", "-c", "echo SSH-2.0-test; cat"]).start();
    let arguments =
        format!("http=127.0.0.1\\:{},ssh=127.0.0.1\\:{},patience=300ms", web.port(), ssh.port());
    let server = listener("switch.lua", &arguments);
    if let Some(curl) = curl() {
        let url = format!("http://127.0.0.1:{}/switch.lua", server.port());
        let got = curl.args([&url]).run().expect_code(0).stdout;
        assert_eq!(got, std::fs::read(example("switch.lua")).unwrap());
        server.said("speaks http");
    }
    // Who speaks at once, and who waits.
    for first in ["SSH-2.0-client\n", ""] {
        let mut client = connect(server.port());
        client.write_all(first.as_bytes()).unwrap();
        let mut banner = [0; 13];
        client.read_exact(&mut banner).unwrap();
        assert_eq!(&banner, b"SSH-2.0-test\n");
        client.shutdown(Shutdown::Write).unwrap();
        let mut rest = String::new();
        client.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, first);
    }
    // Nobody is there for TLS.
    let mut client = connect(server.port());
    client.write_all(b"\x16\x03\x01\x00\x05hello").unwrap();
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    assert_eq!(rest, b"");
    server.said("nobody here speaks tls");
    web.stop();
    ssh.stop();
    server.stop();
}

#[cfg(feature = "tls")]
#[test]
fn one_port_serves_tls_unopened() {
    let Some(openssl) = Peer::Openssl.find() else { return };
    let tls = ncat(["-v", "-lk", "--ssl", "127.0.0.1", "0", "-c", "echo inside; cat"]).start();
    let server = listener("switch.lua", &format!("tls=127.0.0.1\\:{}", tls.port()));
    let at = format!("127.0.0.1:{}", server.port());
    let client = openssl.args(["s_client", "-quiet", "-connect", &at]).held().start();
    assert_eq!(client.wait_output(7), b"inside\n");
    server.said("speaks tls");
    server.stop();
    tls.stop();
}
