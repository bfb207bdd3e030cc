//! Three hosts on one network, each with every port free and the names the guide uses.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use testkit::eventually;
use testkit::process::{Process, Program, ncat_path};

/// Makes the hosts, then stays: everything in the world ends with it.
const SETUP: &str = r#"
set -e
mount -t tmpfs none /run
mount --bind "$1/hosts" /etc/hosts
ip link set lo up
ip link add br0 type bridge
ip link set br0 up
for n in 1 2 3; do
    ip netns add host$n
    ip link add h$n type veth peer name eth0 netns host$n
    ip link set h$n master br0 up
    ip -n host$n addr add 10.31.33.$n/24 dev eth0
    ip -n host$n link set eth0 up
    ip -n host$n link set lo up
done
echo ready
exec sleep infinity
"#;

const HOSTS: &str = "\
127.0.0.1 localhost
::1 localhost ip6-localhost
10.31.33.1 host1 server trusted.example.com
10.31.33.2 host2 client router
10.31.33.3 host3 host example.org mail.example.com
";

/// The hosts, and a directory for each.
pub(crate) struct World {
    dir: tempfile::TempDir,
    /// The first process of the world, as this machine numbers it.
    pid: u32,
    _holder: Process,
}

impl World {
    /// `None`, said aloud, where namespaces cannot be made.
    pub(crate) fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            skip("not root: no namespaces with the guide's ports");
            return None;
        }
        let dir = tempfile::Builder::new().prefix("guide").tempdir_in("/tmp").unwrap();
        fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        fs::write(dir.path().join("hosts"), HOSTS).unwrap();
        for name in ["bin", "host1", "host2", "host3"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        symlink(ncat_path(), dir.path().join("bin/ncat")).unwrap();
        let unshare = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
        let holder = Program::new("unshare")
            .args(unshare)
            .args(["bash", "-c", SETUP, "setup"])
            .args([dir.path()])
            .held()
            .start();
        let ready = holder.wait_output(6);
        assert_eq!(ready, b"ready\n", "{}", holder.messages());
        let children = format!("/proc/{0}/task/{0}/children", holder.pid());
        let pid = fs::read_to_string(children).unwrap().trim().parse().unwrap();
        Some(Self { dir, pid, _holder: holder })
    }

    /// The directory in which `host` works.
    pub(crate) fn dir(&self, host: &str) -> PathBuf {
        self.dir.path().join(host)
    }

    /// A path in the directory of `host`.
    pub(crate) fn file(&self, host: &str, name: &str) -> PathBuf {
        self.dir(host).join(name)
    }

    /// A line of the guide, typed at `host`.
    pub(crate) fn at(&self, host: &str, line: &str) -> Program {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.dir.path().join("bin").display());
        // `exec` where it can be, so that a signal reaches the program and not a shell around it.
        Program::new("nsenter")
            .args(["--net", "--mount", "--pid", "--no-fork", "-t", &self.pid.to_string()])
            .args(["unshare", "--fork", "--kill-child"])
            .args(["ip", "netns", "exec", host, "bash", "-c"])
            .args([format!("cd {}; {line}", self.dir(host).display())])
            .env("PATH", path)
    }

    /// An SSH server at `host` that lets this world's users in, and the client's settings for it.
    pub(crate) fn sshd(&self, host: &str) -> Process {
        let root = self.dir.path();
        if !root.join("key").exists() {
            let keygen = format!("ssh-keygen -q -t ed25519 -N '' -f {}/key", root.display());
            self.at(host, &keygen).run().expect_code(0);
            let client = format!(
                "StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n\
                 IdentityFile {}/key\nUser root\n",
                root.display()
            );
            fs::write(root.join("ssh_config"), client).unwrap();
            let wrapper =
                format!("#!/bin/sh\nexec /usr/bin/ssh -F {}/ssh_config \"$@\"\n", root.display());
            fs::write(root.join("bin/ssh"), wrapper).unwrap();
            fs::set_permissions(root.join("bin/ssh"), PermissionsExt::from_mode(0o755)).unwrap();
        }
        let path = format!("{}/bin:/usr/sbin:/usr/bin:/sbin:/bin", root.display());
        let config = format!(
            "Port 22\nHostKey {root}/key\nAuthorizedKeysFile {root}/key.pub\nUsePAM no\n\
             StrictModes no\nPermitRootLogin yes\nSetEnv PATH={path}\nPidFile none\n",
            root = root.display()
        );
        fs::write(root.join("sshd_config"), config).unwrap();
        let run = format!(
            "mkdir -p /run/sshd; exec /usr/sbin/sshd -D -e -f {}/sshd_config",
            root.display()
        );
        let server = self.at(host, &run).start();
        self.listens(host, 22);
        server
    }

    /// Waits until somebody at `host` listens on this TCP port.
    pub(crate) fn listens(&self, host: &str, port: u16) {
        self.bound(host, "/proc/net/tcp", port, "0A");
    }

    /// Waits until somebody at `host` has bound this UDP port.
    pub(crate) fn binds(&self, host: &str, port: u16) {
        self.bound(host, "/proc/net/udp", port, "07");
    }

    fn bound(&self, host: &str, table: &str, port: u16, state: &str) {
        let port = format!(":{port:04X}");
        eventually(&format!("{host} on {port}"), || {
            let table = self.at(host, &format!("cat {table} {table}6")).run();
            let text = String::from_utf8_lossy(&table.stdout).into_owned();
            let is_there = text.lines().any(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                fields.get(1).is_some_and(|at| at.ends_with(&port)) && fields.get(3) == Some(&state)
            });
            is_there.then_some(())
        });
    }

    /// Waits until this file at `host` holds what is wanted.
    pub(crate) fn holds(&self, host: &str, name: &str, wanted: &[u8]) {
        let path = self.file(host, name);
        eventually(&format!("{} to be complete", path.display()), || {
            (fs::read(&path).unwrap_or_default() == wanted).then_some(())
        });
    }
}

/// Bytes that do not repeat.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    testkit::data::bytes(7, len)
}

/// Whether a program the guide uses is here; said aloud when not.
pub(crate) fn has(program: &str) -> bool {
    let found = program.starts_with('/') && Path::new(program).exists()
        || std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).exists()));
    if !found {
        skip(&format!("{program} is not installed"));
    }
    found
}

/// Says that a part of a test cannot run here; fails where everything must.
pub(crate) fn skip(why: &str) {
    let required = std::env::var_os("NCAT_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(!required, "NCAT_REQUIRE_PEERS=1, but {why}");
    let test = std::thread::current().name().unwrap_or("?").to_string();
    // Past the harness, which would hide it when the test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}
