//! CHAT-1: what one client says reaches the others once.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::serve_support::{Watch, ncat, scratch};
use super::{connect, filters, script};

fn rot13(text: &str) -> String {
    let turn = |char: char| match char {
        'a'..='z' => (((char as u8 - b'a' + 13) % 26) + b'a') as char,
        'A'..='Z' => (((char as u8 - b'A' + 13) % 26) + b'A') as char,
        other => other,
    };
    text.chars().map(turn).collect()
}

fn line(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while bytes.last() != Some(&b'\n') {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_line_reaches_every_other_client_once() {
    for specs in [&["null", "chat"][..], &["chat", "null"], &["rot13", "chat", "null"]] {
        let server = ncat(["-v", "-lk", "127.0.0.1", "0"]).args(filters(specs)).held().start();
        let mut clients: Vec<TcpStream> = Vec::new();
        for at in 1..=3 {
            clients.push(connect(server.port()));
            server.said_times("Connection from", at);
        }
        let coded = |text: &str| if specs[0] == "rot13" { rot13(text) } else { text.to_owned() };
        // Everyone speaks: whoever hears all others in order, and never itself, heard each once.
        for at in [0, 1, 2] {
            clients[at].write_all(coded(&format!("hi {at}\n")).as_bytes()).unwrap();
            let said = coded(&format!("<{}> hi {at}\n", at + 1));
            for (other, client) in clients.iter_mut().enumerate() {
                if other != at {
                    assert_eq!(line(client), said, "{specs:?}");
                }
            }
            server.printed(&format!("<{}> hi {at}\n", at + 1));
        }
        server.stop().expect_code(143);
    }
}

#[test]
fn the_registry_shows_this_filters_instances() {
    let dir = scratch();
    let text = "return {
      recv = function(self)
        local data, err = self.super:recv()
        if not data then return data, err end
        assert(connections[self.id] == self)
        local ids = {}
        for id, instance in pairs(connections) do
          assert(instance.layer == self.layer and instance.id == id)
          ids[#ids + 1] = id
        end
        assert(#ids == #connections and not pcall(function() connections[1] = 1 end))
        self.super:send(table.concat(ids, ' ') .. '\\n')
        return data
      end }";
    let path = script(dir.path(), text);
    let specs = ["null", path.to_str().unwrap(), "null", path.to_str().unwrap()];
    let server = ncat(["-v", "-lk", "127.0.0.1", "0"]).args(filters(&specs)).held().start();
    let mut first = connect(server.port());
    first.write_all(b"x").unwrap();
    assert_eq!(line(&mut first), "1\n");
    let mut second = connect(server.port());
    second.write_all(b"x").unwrap();
    assert_eq!((line(&mut second), line(&mut second)), ("1 2\n".into(), "1 2\n".into()));
    drop(first);
    let mut third = connect(server.port());
    third.write_all(b"x").unwrap();
    // Ids are never used again; the first may still be on its way out.
    let ids = line(&mut third);
    assert!(ids == "2 3\n" || ids == "1 2 3\n", "{ids}");
    server.stop();
}
