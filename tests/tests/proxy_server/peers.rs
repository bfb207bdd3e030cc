//! Other people's clients and servers.

use std::fs;
use std::io::Write;

use crate::proxy::{Proxy, body, head};
use crate::web;
use testkit::peer::{find, missing};
use testkit::process::{Process, Program};
use testkit::{data, eventually, procfs};

/// A directory served by python's http.server.
struct Site {
    _process: Process,
    port: u16,
    dir: tempfile::TempDir,
}

impl Site {
    fn new() -> Option<Self> {
        let python = find("python3", "python3")?;
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("big"), data::bytes(11, 5_000_000)).unwrap();
        fs::write(dir.path().join("style.css"), "body { color: red }").unwrap();
        fs::write(dir.path().join("script.js"), "document.title = 'script ran';").unwrap();
        let page = "<title>x</title><link rel=stylesheet href=style.css><p id=t>page</p><script src=script.js></script>";
        fs::write(dir.path().join("index.html"), page).unwrap();
        let args =
            ["-m", "http.server", "--bind", "127.0.0.1", "-d", dir.path().to_str().unwrap(), "0"];
        let process = python.args(args).start();
        let port = eventually("python to listen", || {
            procfs::listening_ports(process.pid()).first().copied()
        });
        Some(Self { _process: process, port, dir })
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }
}

#[test]
fn curl_by_every_kind() {
    let (Some(site), Some(_)) = (Site::new(), find("curl", "curl")) else { return };
    let proxy = Proxy::new("any", &[]);
    let want = data::bytes(11, 5_000_000);
    for (kind, options) in [
        ("http", &[][..]),
        ("http", &["-p"]),
        ("http", &["--proxy1.0"]),
        ("socks4", &[]),
        ("socks4a", &[]),
        ("socks5", &[]),
        ("socks5h", &[]),
    ] {
        let url = format!("{kind}://{}", proxy.addr);
        let target = site.url("big");
        let mut args = vec!["-sf", "-m", "60"];
        let at = proxy.addr.to_string();
        if options == ["--proxy1.0"] {
            args.extend(["--proxy1.0", &at])
        } else {
            args.extend(["-x", &url]);
            args.extend(options);
        }
        args.push(&target);
        let ended = Program::new("curl").args(args).run().expect_code(0);
        data::assert_same(kind, &ended.stdout, &want);
    }
}

#[test]
fn curl_through_two_of_ours() {
    let (Some(site), Some(_)) = (Site::new(), find("curl", "curl")) else { return };
    let (first, last) = (Proxy::new("any", &[]), Proxy::new("any", &["--proxy-auth", "me:pass"]));
    let url = site.url("big");
    for (kind, options) in
        [("socks5h", &[][..]), ("socks4a", &["-p"]), ("socks5", &["-p", "--proxy-digest"])]
    {
        let (near, far) = (format!("{kind}://{}", first.addr), format!("http://{}", last.addr));
        let args = ["-sf", "-m", "60", "-U", "me:pass", "--preproxy", &near, "-x", &far];
        let ended = Program::new("curl").args(args.iter().chain(options).chain(&[&*url])).run();
        data::assert_same(kind, &ended.expect_code(0).stdout, &data::bytes(11, 5_000_000));
    }
}

#[test]
fn curl_posts_with_expect_through_nginx() {
    let (Some(nginx), Some(curl)) = (find("nginx", "nginx-light"), find("curl", "curl")) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_str().unwrap();
    fs::write(dir.path().join("page"), data::bytes(12, 1_000_000)).unwrap();
    let expected = data::bytes(13, 3_000_000);
    let posted = expected.clone();
    let sink = web::serve(move |mut socket| {
        let asked = head(&mut socket);
        data::assert_same("posted", &body(&mut socket, &asked), &posted);
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsame").unwrap();
    });
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "daemon off; master_process off; pid {at}/pid; error_log {at}/log; events {{}} http {{ access_log off; \
         client_body_temp_path {at}; proxy_temp_path {at}; fastcgi_temp_path {at}; uwsgi_temp_path {at}; scgi_temp_path {at}; \
         server {{ listen 127.0.0.1:{port}; root {at}; client_max_body_size 0; \
         location /post {{ proxy_pass http://{sink}/; }} }} }}"
    );
    let file = dir.path().join("conf");
    fs::write(&file, config).unwrap();
    let server = nginx.args(["-c", file.to_str().unwrap()]).start();
    eventually("nginx to listen", || procfs::listening_ports(server.pid()).first().copied());
    let proxy = Proxy::http(&[]);
    let url = format!("http://127.0.0.1:{port}/");
    let file = dir.path().join("body");
    fs::write(&file, &expected).unwrap();
    let (x, upload) = (format!("http://{}", proxy.addr), format!("@{}", file.display()));
    let (page, post) = (format!("{url}page"), format!("{url}post"));
    let common = ["-sf", "-m", "60", "-x", &x];
    let get = curl.args(common.iter().chain(&[&*page, &*page])).run().expect_code(0);
    assert_eq!(get.stdout.len(), 2_000_000);
    for more in [&["-H", "Expect: 100-continue"][..], &["-H", "Transfer-Encoding: chunked"]] {
        let last = ["--data-binary", &upload, &post];
        let args = common.iter().chain(more).chain(&last);
        let ended = Program::new("curl").args(args).run().expect_code(0);
        assert_eq!(ended.stdout, b"same");
    }
    drop(server);
}

#[test]
fn git_and_wget() {
    let (Some(site), Some(_), Some(wget)) = (Site::new(), find("git", "git"), find("wget", "wget"))
    else {
        return;
    };
    let proxy = Proxy::new("any", &[]);
    let dir = site.dir.path();
    let script = "git init -q src && cd src && head -c 200000 /dev/urandom > data && git add data && \
                  git -c user.name=a -c user.email=a@b commit -qm one && cd .. && git clone -q --bare src repo.git && \
                  git -C repo.git update-server-info";
    Program::new("sh")
        .args(["-c", &format!("cd {} && {script}", dir.display())])
        .run()
        .expect_code(0);
    let url = site.url("repo.git");
    for kind in ["http", "socks5h"] {
        let into = dir.join(format!("clone-{kind}"));
        let config = format!("http.proxy={kind}://{}", proxy.addr);
        Program::new("git")
            .args(["-c", &config, "clone", "-q", &url, into.to_str().unwrap()])
            .run()
            .expect_code(0);
        assert_eq!(fs::read(into.join("data")).unwrap(), fs::read(dir.join("src/data")).unwrap());
    }
    let x = format!("http_proxy=http://{}", proxy.addr);
    let out = wget
        .args(["-q", "-e", "use_proxy=yes", "-e", &x, "-O", "-", &site.url("big")])
        .run()
        .expect_code(0);
    data::assert_same("wget", &out.stdout, &data::bytes(11, 5_000_000));
}

#[test]
fn python_requests_and_pysocks() {
    let (Some(site), Some(python)) = (Site::new(), find("python3", "python3")) else { return };
    // Not whatever python comes first: Debian's has Debian's modules.
    let has = Program::new("/usr/bin/python3").args(["-c", "import requests, socks"]).run();
    if has.code() != Some(0) {
        return missing("requests and PySocks (Debian packages python3-requests, python3-socks)");
    }
    let proxy = Proxy::new("any", &["--proxy-auth", "me:pass"]);
    let script = format!(
        "import requests, socks\nat = '{at}'\nurl = '{url}'\n\
         for kind in ('http', 'socks5', 'socks5h'):\n    \
             s = requests.Session()\n    s.trust_env = False\n    p = kind + '://me:pass@' + at\n    \
             for _ in range(3):\n        r = s.get(url, proxies={{'http': p}}, timeout=30)\n        \
                 assert r.status_code == 200 and len(r.content) == 5000000, (kind, r)\n\
         r = requests.get(url, proxies={{'http': 'http://me:no@' + at}}, timeout=30)\nassert r.status_code == 407\n\
         host, port = at.split(':')\nu = socks.socksocket(type=socks.socket.SOCK_DGRAM)\n\
         u.set_proxy(socks.SOCKS5, host, int(port), username='me', password='pass')\n\
         v = socks.socket.socket(type=socks.socket.SOCK_DGRAM)\nv.bind(('127.0.0.1', 0))\n\
         u.sendto(b'hi', v.getsockname())\nd, f = v.recvfrom(100)\nassert d == b'hi'\nv.sendto(b'ho', f)\n\
         assert u.recvfrom(100)[0] == b'ho'\n",
        at = proxy.addr,
        url = site.url("big"),
    );
    drop(python);
    Program::new("/usr/bin/python3").args(["-c", &script]).run().expect_code(0);
}

#[test]
fn chromium_loads_a_page_with_what_belongs_to_it() {
    let (Some(site), Some(_)) = (Site::new(), find("chromium", "chromium")) else { return };
    let proxy = Proxy::new("any", &[]);
    for kind in ["http", "socks4", "socks5"] {
        let profile = tempfile::tempdir().unwrap();
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--dump-dom",
            "--disable-dev-shm-usage",
            "--proxy-bypass-list=<-loopback>",
            "--virtual-time-budget=5000",
            &format!("--proxy-server={kind}://{}", proxy.addr),
            &format!("--user-data-dir={}", profile.path().display()),
            &site.url("index.html"),
        ]
        .map(str::to_owned);
        let ended = Program::new("timeout").args(["100", "chromium"]).args(&args).run();
        let dom = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(dom.contains("<title>script ran</title>"), "{kind}: {dom}\n{}", ended.stderr);
        let log = proxy.process.messages();
        if kind == "http" {
            assert!(log.contains("/style.css\" http 200"), "{log}");
        }
    }
}

#[test]
#[cfg(feature = "tls")]
fn clients_may_speak_tls_to_the_proxy() {
    let (Some(site), Some(curl)) = (Site::new(), find("curl", "curl")) else { return };
    let proxy = Proxy::http(&["--ssl"]);
    let (x, url) = (format!("https://{}", proxy.addr), site.url("big"));
    for more in [&[][..], &["-p"]] {
        let args = ["-sf", "-m", "60", "--proxy-insecure", "-x", &x]
            .into_iter()
            .chain(more.iter().copied())
            .chain([&*url]);
        let ended = Program::new("curl").args(args).run().expect_code(0);
        data::assert_same("over TLS", &ended.stdout, &data::bytes(11, 5_000_000));
    }
    drop(curl);
}
