//! Section "Basic Usage".

use std::fs;

use crate::world::{World, has};

const HELLO: &str = "\
HTTP/1.0 200 OK

<html>
  <body>
    <h1>Hello, world!</h1>
  </body>
</html>
";

#[test]
fn a_connect_mode_example() {
    let Some(world) = World::new() else { return };
    if !has("python3") {
        return;
    }
    fs::write(world.file("host3", "index.html"), "<title>Go ahead</title>\n").unwrap();
    let _server = world.at("host3", "exec python3 -m http.server 80").start();
    world.listens("host3", 80);
    let typed = "GET / HTTP/1.0\n\n";
    let page = world.at("host1", "ncat -C example.org 80").bytes(typed).run().expect_code(0);
    let text = String::from_utf8(page.stdout).unwrap();
    assert!(text.starts_with("HTTP/1.0 200 OK\r\n"), "{text}");
    assert!(text.ends_with("<title>Go ahead</title>\n"), "{text}");
}

#[test]
fn a_listen_mode_example() {
    let Some(world) = World::new() else { return };
    if !has("curl") {
        return;
    }
    fs::write(world.file("host1", "hello.http"), HELLO).unwrap();
    let server = world.at("host1", "ncat -l localhost 8080 < hello.http").start();
    world.listens("host1", 8080);
    let page = world.at("host1", "curl -s http://localhost:8080/").run().expect_code(0);
    assert_eq!(String::from_utf8_lossy(&page.stdout), HELLO.split_once("\n\n").unwrap().1);
    let request = server.finish().expect_code(0).stdout;
    assert!(request.starts_with(b"GET / HTTP/1.1\r\n"), "{request:?}");
}

/// "If the port number is omitted, Ncat uses its default port 31337" and "anything the server sends
/// is sent to all".
#[test]
fn keep_open_shares_its_input_and_output() {
    let Some(world) = World::new() else { return };
    let mut server = world.at("host1", "ncat --listen --keep-open").held().start();
    world.listens("host1", 31337);
    let mut clients = Vec::new();
    for host in ["host2", "host3"] {
        let mut client = world.at(host, "ncat host1").held().start();
        client.send(host.as_bytes());
        clients.push(client);
    }
    let heard = server.wait_output(10);
    let both = [b"host2host3", b"host3host2"];
    assert!(both.iter().any(|order| heard == *order), "{heard:?}");
    server.send(b"to all\n");
    for mut client in clients {
        assert_eq!(client.wait_output(7), b"to all\n");
        client.end_input();
    }
}
