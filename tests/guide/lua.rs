//! The guide's commands with `--lua-exec`.

use std::fs;

use crate::world::{World, has};

/// One of the programs that are shipped, under the name the guide has for it.
fn give(world: &World, name: &str, shipped: &str) {
    let programs = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/lua/programs");
    fs::copy(format!("{programs}/{shipped}"), world.file("host1", name)).unwrap();
}

#[test]
fn running_a_command_with_lua_exec() {
    let Some(world) = World::new() else { return };
    let text = "\n--This is a --lua-exec \"Hello world\" example. In order to send to a client,\n\
                --all you need to do is output it to the standard output.\n\nprint(\"Hello, world!\")\n";
    fs::write(world.file("host1", "hello-luaexec.lua"), text).unwrap();
    let server = world.at("host1", "ncat -l --lua-exec hello-luaexec.lua").start();
    world.listens("host1", 31337);
    let told = world.at("host2", "ncat host1").run().expect_code(0).stdout;
    assert_eq!(told, b"Hello, world!\n");
    server.finish().expect_code(0);
}

#[test]
fn lua_programs_see_the_exec_environment_variables() {
    let Some(world) = World::new() else { return };
    give(&world, "env.lua", "env.lua");
    let server = world.at("host1", "ncat -l --lua-exec env.lua").start();
    world.listens("host1", 31337);
    let told = world.at("host1", "ncat -4 localhost").run().expect_code(0).stdout;
    let text = String::from_utf8(told).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "NCAT_REMOTE_ADDR \"127.0.0.1\"");
    assert!(lines[1].starts_with("NCAT_REMOTE_PORT \""), "{text}");
    assert_eq!(lines[2], "NCAT_LOCAL_ADDR \"127.0.0.1\"");
    assert_eq!(lines[3], "NCAT_LOCAL_PORT \"31337\"");
    assert_eq!(lines[4..], ["NCAT_PROTO \"TCP\""]);
    server.finish().expect_code(0);
}

#[test]
fn a_web_server_in_lua() {
    let Some(world) = World::new() else { return };
    if !has("curl") {
        return;
    }
    give(&world, "httpd.lua", "httpd.lua");
    fs::write(world.file("host1", "page.html"), "<p>here").unwrap();
    let line = "ncat --lua-exec httpd.lua --listen 8080 --keep-open";
    let _server = world.at("host1", line).start();
    world.listens("host1", 8080);
    let get = "curl -sS http://host1:8080/page.html http://host1:8080/";
    let told = world.at("host2", get).run().expect_code(0).stdout;
    let text = String::from_utf8(told).unwrap();
    assert!(text.starts_with("<p>here") && text.contains("./httpd.lua"), "{text}");
}
