//! STARTTLS with the servers people run. Each is told its certificate by its name, says something
//! under TLS that it would not say in the clear or in another protocol, and is left in good order.

use testkit::peer::{find, missing};
use testkit::process::{Process, Program, ncat};

use crate::daemon::{Daemon, Place, give, is_root};

/// What the user sends, and what the answer has in it.
type Turn<'a> = (&'a [u8], &'a [u8]);

fn client(daemon: &Daemon, protocol: &str, args: &[&str]) -> Program {
    let root = daemon.place.text("root.pem");
    let checked = ["--starttls", protocol, "--ssl-trustfile", &root];
    ncat(checked).args(["--ssl-servername", "localhost", "-v"]).args(args)
}

fn connect(daemon: &Daemon, port: u16, protocol: &str) -> Process {
    let port = port.to_string();
    client(daemon, protocol, &["127.0.0.1", &port]).held().start()
}

/// Everything a user does; the server ends the connection.
fn converse(daemon: &Daemon, port: u16, protocol: &str, turns: &[Turn<'_>]) {
    let mut ncat = connect(daemon, port, protocol);
    exchange(&mut ncat, protocol, turns);
    let done = ncat.finish().expect_code(0);
    assert!(done.stderr.contains("Ncat: Peer: verified: name+chain."), "{}", done.stderr);
    // And a probe, which needs no more than the handshake.
    let port = port.to_string();
    let probe = client(daemon, protocol, &["-z", "127.0.0.1", &port]).run().expect_code(0);
    assert!(probe.stderr.contains("verified: name+chain"), "{}", probe.stderr);
    // Another name is not its name.
    let other =
        client(daemon, protocol, &["--ssl-servername", "other.example", "127.0.0.1", &port]);
    let other = if protocol == "xmpp" { None } else { Some(other.run().expect_code(1)) };
    if let Some(other) = other {
        let first = "Ncat: Certificate verification failed (hostname mismatch).";
        assert!(other.stderr.to_lowercase().contains(&first.to_lowercase()), "{}", other.stderr);
    }
}

fn exchange(ncat: &mut Process, protocol: &str, turns: &[Turn<'_>]) {
    let mut seen = 0;
    for (sent, wanted) in turns {
        ncat.send(sent);
        seen = testkit::eventually(protocol, || {
            let output = ncat.wait_output(0);
            let found = end_of(&output[seen..], wanted);
            assert!(found.is_some() || ncat.is_running(), "{}", ncat.messages());
            found.map(|end| seen + end)
        });
    }
}

/// Where `wanted` ends.
fn end_of(output: &[u8], wanted: &[u8]) -> Option<usize> {
    if wanted.is_empty() {
        return Some(0);
    }
    output.windows(wanted.len()).position(|window| window == wanted).map(|at| at + wanted.len())
}

#[test]
fn postfix_speaks_smtp() {
    if !is_root("Postfix") {
        return;
    }
    let Some(daemon) = Daemon::start(|place| {
        let program = find("master", "postfix")?;
        for dir in ["data", "queue", "queue/private", "queue/public", "queue/pid"] {
            let dir = place.make_dir(dir);
            if !dir.ends_with("queue") && !dir.ends_with("pid") {
                give(&dir, "postfix");
            }
        }
        place.write(
            "main.cf",
            "compatibility_level = 3.6\nqueue_directory = DIR/queue\ndata_directory = DIR/data\n\
             inet_interfaces = 127.0.0.1\nmyhostname = mail.example\nsmtpd_tls_cert_file = DIR/own.pem\n\
             smtpd_tls_key_file = DIR/own.key\nsmtpd_tls_security_level = may\nmydestination =\n\
             local_recipient_maps =\n\
             smtpd_tls_auth_only = yes\nmaillog_file = /dev/stdout\n",
        );
        place.write(
            "master.cf",
            "127.0.0.1:PORT inet n - n - - smtpd\ntlsmgr unix - - n - 1 tlsmgr\n\
             anvil unix - - n - 1 anvil\nrewrite unix - - n - - trivial-rewrite\n\
             postlog unix-dgram n - n - 1 postlogd\n",
        );
        Some(program.args(["-d", "-c", &place.text("")]))
    }) else {
        return;
    };
    converse(
        &daemon,
        daemon.place.port,
        "smtp",
        &[
            (b"EHLO client.example\r\n", b"250-mail.example\r\n"),
            (b"", b"250 "),
            (b"QUIT\r\n", b"221 2.0.0 Bye\r\n"),
        ],
    );
}

fn dovecot(service: &str, login: &str, listener: &str) -> Option<Daemon> {
    if !is_root("Dovecot") {
        return None;
    }
    Daemon::start(|place| {
        let program = find("dovecot", "dovecot-core")?;
        let protocol = std::path::Path::new("/usr/lib/dovecot").join(login);
        if !protocol.exists() {
            missing(&format!("{login} of Dovecot"));
            return None;
        }
        give(&place.make_dir("home"), "nobody");
        // Only what is asked for: the others would take ports of their own.
        let others = match service {
            "imap" => "service imap-login {\n inet_listener imaps {\n port = 0\n }\n}\n",
            "pop3" => "service pop3-login {\n inet_listener pop3s {\n port = 0\n }\n}\n",
            _ => "",
        };
        let text = format!(
            "protocols = {service}\nlisten = 127.0.0.1\nbase_dir = DIR/run\nstate_dir = DIR/state\n\
             log_path = /dev/stderr\nssl = required\nssl_cert = <DIR/own.pem\nssl_key = <DIR/own.key\n\
             mail_location = maildir:DIR/home\nfirst_valid_uid = 1\n\
             passdb {{\n driver = static\n args = password=secret\n}}\n\
             userdb {{\n driver = static\n args = uid=nobody gid=nogroup home=DIR/home\n}}\n\
             service {login} {{\n inet_listener {listener} {{\n port = PORT\n }}\n}}\n{others}"
        );
        Some(program.args(["-F", "-c"]).args([place.write("conf", &text)]))
    })
}

#[test]
fn dovecot_speaks_imap() {
    let Some(daemon) = dovecot("imap", "imap-login", "imap") else { return };
    converse(
        &daemon,
        daemon.place.port,
        "imap",
        &[
            (b"a LOGIN me secret\r\n", b"a OK "),
            (b"b SELECT INBOX\r\n", b"b OK "),
            (b"c LOGOUT\r\n", b"c OK "),
        ],
    );
}

#[test]
fn dovecot_speaks_pop3() {
    let Some(daemon) = dovecot("pop3", "pop3-login", "pop3") else { return };
    converse(
        &daemon,
        daemon.place.port,
        "pop3",
        &[
            (b"USER me\r\n", b"+OK"),
            (b"PASS secret\r\n", b"+OK Logged in.\r\n"),
            (b"QUIT\r\n", b"+OK Logging out.\r\n"),
        ],
    );
}

#[test]
fn dovecot_speaks_managesieve() {
    let Some(daemon) = dovecot("sieve", "managesieve-login", "sieve") else { return };
    converse(
        &daemon,
        daemon.place.port,
        "sieve",
        &[
            (b"", b"OK \"TLS negotiation successful.\"\r\n"),
            (b"LOGOUT\r\n", b"OK \"Logout completed.\""),
        ],
    );
}

/// PostgreSQL, which will not run as root.
fn postgres(ssl: &str) -> Option<Daemon> {
    if !is_root("a database of another user") {
        return None;
    }
    Daemon::start(|place| {
        let mut versions: Vec<_> =
            std::fs::read_dir("/usr/lib/postgresql").ok().into_iter().flatten().flatten().collect();
        versions.sort_by_key(std::fs::DirEntry::path);
        let Some(version) = versions.last() else {
            missing("PostgreSQL (Debian package postgresql)");
            return None;
        };
        let bin = version.path().join("bin");
        let home = place.make_dir("home");
        give(&home, "postgres");
        give(&place.path("own.key"), "postgres");
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(place.path("own.key"), std::fs::Permissions::from_mode(0o600))
            .unwrap();
        let program = |name| {
            let wrapper = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"];
            Program::new(bin.join(name)).under(wrapper)
        };
        let data = place.text("home/data");
        program("initdb").args(["-A", "trust", "-N", "-D", &data]).run().expect_code(0);
        let options = [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", place.port),
            "unix_socket_directories=".into(),
            format!("ssl={ssl}"),
            format!("ssl_cert_file={}", place.text("own.pem")),
            format!("ssl_key_file={}", place.text("own.key")),
        ];
        let options = options.iter().flat_map(|option| ["-c", option]);
        Some(program("postgres").args(["-D", &data]).args(options))
    })
}

#[test]
fn postgresql_speaks_its_own() {
    let Some(daemon) = postgres("on") else { return };
    daemon.process.wait_message("ready to accept connections");
    converse(
        &daemon,
        daemon.place.port,
        "postgres",
        &[
            (b"\0\0\0\x29\0\x03\0\0user\0postgres\0database\0postgres\0\0", b"Z\0\0\0\x05I"),
            // A query, its answer, the end.
            (b"Q\0\0\0\x12SELECT 6 * 7;\0", b"\0\0\0\x0242C"),
            (b"X\0\0\0\x04", b""),
        ],
    );
}

#[test]
fn postgresql_without_ssl_says_no() {
    let Some(daemon) = postgres("off") else { return };
    daemon.process.wait_message("ready to accept connections");
    let done = ncat(["--starttls", "postgres", "127.0.0.1", &daemon.port()]).run().expect_code(1);
    assert_eq!(done.first_line(), "Ncat: STARTTLS in PostgreSQL failed: the server refuses.");
    assert!(done.stderr.contains("  | N (ssl is off there)\n"), "{}", done.stderr);
}

#[test]
fn mariadb_speaks_mysql() {
    let Some(daemon) = Daemon::start(|place| {
        let program = find("mariadbd", "mariadb-server-core")?;
        let data = place.make_dir("data");
        if rustix::process::geteuid().is_root() {
            give(&data, "nobody");
            give(&place.path("own.key"), "nobody");
        }
        let options = [
            "--no-defaults",
            "--user=nobody",
            "--datadir=DIR/data",
            "--lc-messages-dir=/usr/share/mysql",
            "--socket=DIR/data/socket",
            "--pid-file=DIR/data/pid",
            "--port=PORT",
            "--bind-address=127.0.0.1",
            "--ssl-cert=DIR/own.pem",
            "--ssl-key=DIR/own.key",
            // There are no users, so nobody is asked who they are.
            "--skip-grant-tables",
            "--skip-innodb",
            "--default-storage-engine=Aria",
            "--skip-log-bin",
        ];
        let fill = |option: &str| {
            option.replace("DIR", &place.text("")).replace("PORT", &place.port.to_string())
        };
        Some(program.args(options.map(fill)))
    }) else {
        return;
    };
    daemon.process.wait_message("ready for connections");
    // The user, without a password, in the packet that follows our request; then COM_PING, COM_QUIT.
    let mut login = vec![0x26, 0, 0, 2, 0x00, 0x8a, 0, 0, 0, 0, 0, 1, 45];
    login.extend([0; 23]);
    login.extend(b"root\0\0");
    let ok: &[u8] = &[7, 0, 0, 3, 0, 0, 0];
    let ping: Turn<'_> = (&[1, 0, 0, 0, 0x0e], &[7, 0, 0, 1, 0, 0, 0]);
    converse(&daemon, daemon.place.port, "mysql", &[(&login, ok), ping, (&[1, 0, 0, 0, 1], b"")]);
}

#[test]
fn slapd_speaks_ldap() {
    let Some(daemon) = Daemon::start(|place| {
        let program = find("slapd", "slapd")?;
        let text =
            "pidfile DIR/pid\nTLSCertificateFile DIR/own.pem\nTLSCertificateKeyFile DIR/own.key\n";
        let conf = place.write("conf", text);
        let url = format!("ldap://127.0.0.1:{}", place.port);
        Some(program.args(["-d", "0", "-h", &url, "-f"]).args([conf]))
    }) else {
        return;
    };
    // An anonymous bind, its result, and the end.
    let bind = b"\x30\x0c\x02\x01\x02\x60\x07\x02\x01\x03\x04\x00\x80\x00";
    let bound = b"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\x00\x04\x00\x04\x00";
    let unbind = b"\x30\x05\x02\x01\x03\x42\x00";
    converse(&daemon, daemon.place.port, "ldap", &[(bind, bound), (unbind, b"")]);
}

#[test]
fn slapd_without_tls_says_no() {
    let Some(daemon) = Daemon::start(|place| {
        let program = find("slapd", "slapd")?;
        let conf = place.write("conf", "pidfile DIR/pid\n");
        let url = format!("ldap://127.0.0.1:{}", place.port);
        Some(program.args(["-d", "0", "-h", &url, "-f"]).args([conf]))
    }) else {
        return;
    };
    let done = ncat(["--starttls", "ldap", "127.0.0.1", &daemon.port()]).run().expect_code(1);
    assert_eq!(done.first_line(), "Ncat: STARTTLS in LDAP failed: the server refuses.");
    assert!(done.stderr.contains("  | protocolError"), "{}", done.stderr);
}

#[test]
fn vsftpd_speaks_ftp() {
    if !is_root("vsftpd") {
        return;
    }
    let Some(daemon) = Daemon::start(|place| {
        let program = find("vsftpd", "vsftpd")?;
        place.make_dir("empty");
        let conf = place.write(
            "conf",
            "listen=YES\nlisten_address=127.0.0.1\nlisten_port=PORT\nbackground=NO\nssl_enable=YES\n\
             rsa_cert_file=DIR/own.pem\nrsa_private_key_file=DIR/own.key\nssl_tlsv1=YES\n\
             anonymous_enable=YES\nallow_anon_ssl=YES\nsecure_chroot_dir=DIR/empty\n",
        );
        Some(program.args([conf]))
    }) else {
        return;
    };
    converse(
        &daemon,
        daemon.place.port,
        "ftp",
        &[(b"PBSZ 0\r\n", b"200 PBSZ set to 0.\r\n"), (b"QUIT\r\n", b"221 Goodbye.\r\n")],
    );
}

#[test]
fn prosody_speaks_xmpp() {
    let Some(daemon) = Daemon::start(|place| {
        let program = find("prosody", "prosody")?;
        place.make_dir("data");
        let conf = place.write(
            "prosody.cfg.lua",
            "run_as_root = true\ndata_path = 'DIR/data'\ninterfaces = { '127.0.0.1' }\n\
             c2s_ports = { PORT }\ns2s_ports = {}\nmodules_enabled = { 'tls', 'saslauth' }\n\
             c2s_require_encryption = true\nlog = { { levels = { min = 'info' }, to = 'console' } }\n\
             pidfile = 'DIR/pid'\nVirtualHost 'localhost'\n\
             ssl = { certificate = 'DIR/own.pem', key = 'DIR/own.key' }\n",
        );
        Some(program.args(["-F", "--config"]).args([conf]))
    }) else {
        return;
    };
    let stream = b"<stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
                   xmlns:stream='http://etherx.jabber.org/streams'>";
    converse(
        &daemon,
        daemon.place.port,
        "xmpp",
        &[(stream, b"<mechanism>PLAIN</mechanism>"), (b"</stream:stream>", b"</stream:stream>")],
    );
    // A stream for somebody else.
    let done = ncat(["--starttls", "xmpp", "--ssl-servername", "other.example", "127.0.0.1"])
        .args([daemon.port()])
        .run()
        .expect_code(1);
    assert_eq!(done.first_line(), "Ncat: STARTTLS in XMPP failed: the server refuses.");
    assert!(done.stderr.contains("  | <host-unknown"), "{}", done.stderr);
}

#[test]
fn inspircd_speaks_irc() {
    if !is_root("inspircd") {
        return;
    }
    let Some(daemon) = Daemon::start(|place: &Place| {
        let program = find("inspircd", "inspircd")?;
        let conf = place.write(
            "conf",
            "<server name=\"irc.example\" description=\"x\" network=\"x\" id=\"111\">\n\
             <admin name=\"x\" nick=\"x\" email=\"x@x\">\n<connect allow=\"*\">\n\
             <bind address=\"127.0.0.1\" port=\"PORT\" type=\"clients\">\n\
             <module name=\"ssl_gnutls\">\n<module name=\"starttls\">\n\
             <sslprofile name=\"Clients\" provider=\"gnutls\" certfile=\"DIR/own.pem\" keyfile=\"DIR/own.key\">\n\
             <bind address=\"127.0.0.1\" port=\"OTHER\" type=\"clients\" sslprofile=\"Clients\">\n\
             <starttls sslprofile=\"Clients\">\n<pid file=\"DIR/pid\">\n\
             <path datadir=\"DIR\" logdir=\"DIR\" runtimedir=\"DIR\">\n<dns server=\"127.0.0.1\" timeout=\"1\">\n",
        );
        let conf = format!("--config={}", conf.display());
        // It aborts where others end, and must leave no image of itself behind.
        let no_core = ["sh", "-c", "ulimit -c 0; exec \"$@\"", "sh"];
        Some(program.args([&conf, "--nofork", "--nolog", "--runasroot"]).under(no_core))
    }) else {
        return;
    };
    converse(
        &daemon,
        daemon.place.port,
        "irc",
        &[
            (b"NICK me\r\nUSER a b c :d\r\n", b" 001 me :Welcome"),
            (b"QUIT\r\n", b"ERROR :Closing link"),
        ],
    );
}
