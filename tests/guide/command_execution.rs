//! Section "Command Execution".

use crate::world::World;

/// What host2 gets from a server at host1 that runs `line`.
fn served(line: &str, times: usize) -> Option<Vec<String>> {
    let world = World::new()?;
    let _server = world.at("host1", line).start();
    world.listens("host1", 31337);
    let told = (0..times).map(|_| {
        let told = world.at("host2", "ncat host1").run().expect_code(0).stdout;
        String::from_utf8(told).unwrap().replace(&world.dir("host1").display().to_string(), "HERE")
    });
    Some(told.collect())
}

#[test]
fn running_a_command_with_exec() {
    let Some(told) = served(r#"ncat -l --exec "/bin/echo Hello.""#, 1) else { return };
    assert_eq!(told, ["Hello.\n"]);
}

#[test]
fn running_a_command_with_sh_exec() {
    let Some(told) = served(r#"ncat -l --sh-exec "echo `pwd`""#, 1) else { return };
    assert_eq!(told, ["HERE\n"]);
}

#[test]
fn running_an_inetd_like_server() {
    let line = r#"ncat -l --keep-open --exec "/bin/echo Hello.""#;
    let Some(told) = served(line, 3) else { return };
    assert_eq!(told, ["Hello.\n"; 3]);
}

#[test]
fn exec_environment_variables() {
    let Some(world) = World::new() else { return };
    let line = r#"ncat -l --sh-exec "env | grep ^NCAT_ | sort""#;
    let server = world.at("host1", line).start();
    world.listens("host1", 31337);
    let told = world.at("host1", "ncat localhost").run().expect_code(0).stdout;
    let text = String::from_utf8(told).unwrap();
    // The names and the form of the guide; localhost is either family's here.
    for wanted in ["NCAT_LOCAL_PORT=31337\n", "NCAT_PROTO=TCP\n", "NCAT_REMOTE_PORT="] {
        assert!(text.contains(wanted), "{text}");
    }
    for name in ["NCAT_REMOTE_ADDR", "NCAT_LOCAL_ADDR"] {
        let is_local =
            ["127.0.0.1", "::1"].iter().any(|addr| text.contains(&format!("{name}={addr}\n")));
        assert!(is_local, "{name}: {text}");
    }
    server.finish().expect_code(0);
}
