//! The programs our tests talk to or compare with: which are there, and getting the others.

use std::path::Path;
use std::process::Command;

use crate::step::{complain, find_program, run};

/// A Debian package, the program of it that tests look for, and what cannot be tested without.
pub(crate) struct Peer {
    package: &'static str,
    program: &'static str,
    tests: &'static str,
}

const PEERS: &[Peer] = &[
    Peer { package: "ncat", program: "ncat", tests: "comparison with the reference, interop" },
    Peer { package: "socat", program: "socat", tests: "interop with socat, ptys" },
    Peer { package: "netcat-openbsd", program: "nc.openbsd", tests: "interop with OpenBSD nc" },
    Peer { package: "openssl", program: "openssl", tests: "interop of TLS" },
    Peer { package: "squid", program: "squid", tests: "proxies" },
    Peer { package: "tinyproxy", program: "tinyproxy", tests: "proxies" },
    Peer { package: "dante-server", program: "danted", tests: "proxies" },
    Peer { package: "curl", program: "curl", tests: "interop of proxies" },
    Peer { package: "git", program: "git", tests: "interop of proxies" },
    Peer { package: "wget", program: "wget", tests: "interop of proxies" },
    Peer { package: "chromium", program: "chromium", tests: "a browser behind our proxy" },
    Peer {
        package: "python3-requests",
        program: "/usr/lib/python3/dist-packages/requests/__init__.py",
        tests: "interop of proxies",
    },
    Peer {
        package: "python3-socks",
        program: "/usr/lib/python3/dist-packages/socks.py",
        tests: "interop of proxies",
    },
    Peer {
        package: "golang-1.19-go",
        program: "/usr/lib/go-1.19/bin/go",
        tests: "the audit log by other people's code",
    },
    Peer {
        package: "golang-golang-x-mod-dev",
        program: "/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog/tlog.go",
        tests: "same",
    },
    Peer {
        package: "python3-cryptography",
        program: "/usr/lib/python3/dist-packages/cryptography/__init__.py",
        tests: "same",
    },
    Peer { package: "iproute2", program: "ip", tests: "bad links, network namespaces" },
    Peer { package: "strace", program: "strace", tests: "failing system calls" },
    Peer { package: "python3", program: "python3", tests: "bad links; the guide's servers" },
    Peer { package: "nmap", program: "nmap", tests: "the guide's scans" },
    Peer { package: "openssh-server", program: "sshd", tests: "the guide's SSH tunnel" },
    Peer { package: "openssh-client", program: "ssh", tests: "the guide's SSH tunnel" },
    Peer { package: "bzip2", program: "bzip2", tests: "the guide's disk image" },
    Peer { package: "fortune-mod", program: "/usr/games/fortune", tests: "the guide's qotd" },
    Peer { package: "fortunes-min", program: "/usr/share/games/fortunes/fortunes", tests: "same" },
    Peer { package: "nginx", program: "nginx", tests: "TLS and proxies with a web server" },
    Peer {
        package: "libnginx-mod-stream",
        program: "/usr/lib/nginx/modules/ngx_stream_module.so",
        tests: "the bench's accept rate",
    },
    Peer { package: "valgrind", program: "valgrind", tests: "instruction counts" },
    Peer { package: "stunnel4", program: "stunnel4", tests: "TLS through stunnel" },
    Peer { package: "postfix", program: "/usr/lib/postfix/sbin/master", tests: "STARTTLS: SMTP" },
    Peer { package: "dovecot-imapd", program: "/usr/lib/dovecot/imap", tests: "STARTTLS: IMAP" },
    Peer { package: "dovecot-pop3d", program: "/usr/lib/dovecot/pop3", tests: "STARTTLS: POP3" },
    Peer {
        package: "dovecot-managesieved",
        program: "/usr/lib/dovecot/managesieve",
        tests: "STARTTLS: ManageSieve",
    },
    Peer { package: "postgresql", program: "psql", tests: "STARTTLS: PostgreSQL" },
    Peer { package: "mariadb-server-core", program: "mariadbd", tests: "STARTTLS: MySQL" },
    Peer { package: "slapd", program: "slapd", tests: "STARTTLS: LDAP" },
    Peer { package: "vsftpd", program: "vsftpd", tests: "STARTTLS: FTP" },
    Peer { package: "prosody", program: "prosody", tests: "STARTTLS: XMPP" },
    Peer { package: "inspircd", program: "inspircd", tests: "STARTTLS: IRC" },
    Peer { package: "tcpdump", program: "tcpdump", tests: "options seen on the wire" },
    Peer {
        package: "libssl-dev",
        program: "/usr/include/openssl/ssl.h",
        tests: "everything: the workspace does not build without OpenSSL's headers",
    },
    Peer { package: "pkg-config", program: "pkg-config", tests: "as libssl-dev" },
    Peer { package: "gcc", program: "gcc", tests: "the bench's limit program, getopt comparison" },
    Peer { package: "busybox-static", program: "busybox", tests: "other kernels' features" },
    Peer { package: "user-mode-linux", program: "linux.uml", tests: "other kernels' features" },
];

impl Peer {
    /// For a list of what was not tested.
    pub(crate) fn loss(&self) -> String {
        format!("{} ({} is not installed): {}", self.program, self.package, self.tests)
    }
}

/// Installs what is missing when that is possible; returns what still is.
///
/// Touches neither the network nor the package database when everything is there.
pub(crate) fn provide() -> Vec<&'static Peer> {
    let missing = missing();
    if missing.is_empty() {
        return missing;
    }
    if !cfg!(target_os = "linux") || find_program("apt-get").is_none() {
        complain("no apt-get here: install the missing programs by hand");
        return missing;
    }
    if !is_root() {
        let packages: Vec<&str> = missing.iter().map(|peer| peer.package).collect();
        complain(&format!("not root; as root: apt-get install {}", packages.join(" ")));
        return missing;
    }
    install(&missing);
    self::missing()
}

fn missing() -> Vec<&'static Peer> {
    PEERS.iter().filter(|peer| find_program(peer.program).is_none()).collect()
}

/// All at once, and if that fails one by one: one unknown name must not keep the others out.
fn install(peers: &[&Peer]) {
    let note = |result: Result<(), String>| match result {
        Ok(()) => true,
        Err(error) => {
            complain(&error);
            false
        }
    };
    note(run(apt_get(&["update", "-q"])));
    let _quiet = NoServices::ask();
    let packages: Vec<&str> = peers.iter().map(|peer| peer.package).collect();
    let install = ["install", "-q", "-y", "--no-install-recommends"];
    if note(run(apt_get(&[&install, &packages[..]].concat()))) || packages.len() == 1 {
        return;
    }
    for package in packages {
        note(run(apt_get(&[&install, &[package][..]].concat())));
    }
}

/// While it lives, packages start no services: tests start what they need by themselves, and a
/// machine must not serve mail because somebody ran them.
struct NoServices {
    is_ours: bool,
}

impl NoServices {
    /// What Debian's maintainer scripts ask before they start anything; 101 forbids it.
    const POLICY: &str = "/usr/sbin/policy-rc.d";

    fn ask() -> Self {
        // Where there is one, it stays: the machine's owner has decided.
        let is_ours = !Path::new(Self::POLICY).exists()
            && std::fs::write(Self::POLICY, "#!/bin/sh\nexit 101\n").is_ok();
        #[cfg(unix)]
        if is_ours {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            let _ = std::fs::set_permissions(Self::POLICY, mode);
        }
        Self { is_ours }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.is_ours {
            let _ = std::fs::remove_file(Self::POLICY);
        }
    }
}

fn apt_get(args: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
