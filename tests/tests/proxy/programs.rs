//! Other people's proxies, each private to its test: a port of its own, a directory of its own, ended with
//! the test.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use testkit::eventually;
use testkit::peer::{Peer, find, missing};
use testkit::process::{Finished, Process, Program, ncat};

/// A running proxy.
pub(crate) struct Running {
    _process: Process,
    _dir: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Running {
    /// `scheme://127.0.0.1:port`.
    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    pub(crate) fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// Sends `sent` to an echo and ends when all of it is back: many a proxy takes the end of one direction
/// for the end of both.
pub(crate) fn there_and_back(client: Program, sent: &[u8]) -> Finished {
    let mut client = client.held().start();
    client.send(sent);
    client.wait_output(sent.len());
    client.end_input();
    client.finish()
}

/// A directory that a program which gives up root can use, too.
fn open_dir() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("proxy").tempdir_in("/tmp").unwrap();
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
    dir
}

/// A port that was free a moment ago: these programs cannot be told to choose one themselves.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts it until it listens: another program may have taken the port meanwhile.
fn run(make: impl Fn(&Path, u16) -> Option<Program>) -> Option<Running> {
    for _ in 0..3 {
        let (dir, port) = (open_dir(), free_port());
        let mut process = make(dir.path(), port)?.start();
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let listens = eventually("the proxy to listen, or to give up", || {
            if std::net::TcpStream::connect(addr).is_ok() {
                return Some(true);
            }
            (!process.is_running()).then_some(false)
        });
        if listens {
            return Some(Running { _process: process, _dir: dir, port });
        }
        let said = process.messages();
        assert!(said.contains("in use"), "{said}");
    }
    panic!("no port stayed free");
}

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    path
}

/// squid, which asks for `user:word` by these schemes, or by none.
pub(crate) fn squid(schemes: &[&str]) -> Option<Running> {
    run(|dir, port| {
        let program = find("squid", "squid")?;
        let dir_name = dir.display();
        let mut config = format!(
            "http_port 127.0.0.1:{port}\npid_filename none\ncache_log {dir_name}/log\naccess_log none\n\
             coredump_dir {dir_name}\nshutdown_lifetime 0 seconds\nvisible_hostname squid.example\n\
             cache deny all\nnetdb_filename none\npinger_enable off\n"
        );
        for scheme in schemes {
            let (helper, text) = match *scheme {
                // The digest of openssl passwd -apr1 would need a program; plain text is taken too.
                "digest" => ("digest_file_auth", "user:word\n".to_owned()),
                _ => ("basic_ncsa_auth", format!("user:{}\n", crypt("word")?)),
            };
            let file = write(dir, scheme, &text);
            config.push_str(&format!(
                "auth_param {scheme} program /usr/lib/squid/{helper} {}\nauth_param {scheme} children 1\n\
                 auth_param {scheme} realm a realm\n",
                file.display()
            ));
        }
        match schemes {
            [] => config.push_str("http_access allow all\n"),
            _ => config.push_str(
                "acl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all\n",
            ),
        }
        let config = write(dir, "conf", &config);
        Some(program.args(["-N", "-d", "1", "-f"]).args([config]))
    })
}

/// The password as basic_ncsa_auth wants it.
fn crypt(word: &str) -> Option<String> {
    let openssl = Peer::Openssl.find()?;
    let told = openssl.args(["passwd", "-apr1", word]).run().expect_code(0).stdout;
    Some(String::from_utf8(told).unwrap().trim().to_owned())
}

pub(crate) fn tinyproxy(user: Option<&str>) -> Option<Running> {
    run(|dir, port| {
        let auth = user.map(|user| format!("BasicAuth {user}\n")).unwrap_or_default();
        let config = format!(
            "Port {port}\nListen 127.0.0.1\nMaxClients 20\nTimeout 60\nLogLevel Critical\n{auth}"
        );
        let config = write(dir, "conf", &config);
        Some(find("tinyproxy", "tinyproxy")?.args(["-d", "-c"]).args([config]))
    })
}

/// dante's server, without authentication.
pub(crate) fn dante() -> Option<Running> {
    run(|dir, port| {
        let config = format!(
            "logoutput: stderr\ninternal: 127.0.0.1 port = {port}\nexternal: lo\nclientmethod: none\n\
             socksmethod: none\nuser.privileged: root\nuser.unprivileged: nobody\n\
             client pass {{ from: 0/0 to: 0/0 }}\n\
             socks pass {{ from: 0/0 to: 0/0 protocol: tcp udp }}\n"
        );
        let config = write(dir, "conf", &config);
        let pid = dir.join("pid");
        Some(find("danted", "dante-server")?.args(["-p"]).args([pid]).args(["-f"]).args([config]))
    })
}

/// Debian's ncat as an HTTP proxy.
pub(crate) fn reference(auth: Option<&str>) -> Option<Running> {
    run(|_, port| {
        let program = Peer::Ncat.find()?;
        let auth = auth.map(|auth| ["--proxy-auth", auth]);
        let program = program.args(["-l", "--proxy-type", "http", "-p", &port.to_string()]);
        Some(program.args(auth.into_iter().flatten()))
    })
}

/// OpenSSH's SOCKS 4 and 5, through an sshd of our own.
pub(crate) fn ssh() -> Option<(Running, Running)> {
    if !rustix::process::geteuid().is_root() {
        missing("root, who could run an sshd");
        return None;
    }
    let server = run(|dir, port| {
        let program = find("sshd", "openssh-server")?;
        fs::create_dir_all("/run/sshd").unwrap();
        let key = dir.join("key");
        let keygen = Program::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]);
        keygen.args([&key]).run().expect_code(0);
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}\nAuthorizedKeysFile {0}.pub\nUsePAM no\n\
             StrictModes no\nPermitRootLogin yes\nPidFile none\nMaxStartups 100\n",
            key.display()
        );
        let config = write(dir, "conf", &config);
        Some(program.args(["-D", "-e", "-f"]).args([config]))
    })?;
    let key = server._dir.path().join("key");
    let client = run(|_, port| {
        let program = find("ssh", "openssh-client")?;
        let options =
            ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"];
        let program = program.args(["-F", "none", "-N", "-i"]).args([&key]);
        let program = program.args(options.into_iter().flat_map(|option| ["-o", option]));
        let forward = format!("127.0.0.1:{port}");
        Some(program.args(["-D", &forward, "-p", &server.port.to_string(), "root@127.0.0.1"]))
    })?;
    Some((server, client))
}

/// Our own, of this kind.
pub(crate) fn ours(kind: &str, auth: Option<&str>) -> Running {
    let auth = auth.map(|auth| ["--proxy-auth", auth]);
    let program = ncat(["-v", "-l", "--proxy-type", kind, "127.0.0.1", "0"]);
    let process = program.args(auth.into_iter().flatten()).start();
    let port = process.listening().port();
    Running { _process: process, _dir: open_dir(), port }
}
