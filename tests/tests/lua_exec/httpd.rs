//! The web server that is shipped, with curl as its client.

use std::fs;
use std::io::Write;

use testkit::process::Program;

use super::serve_support::{Process, Watch, assert_same, noise, scratch, skip};
use super::{connect, example, rest};

struct Site {
    dir: tempfile::TempDir,
    server: Process,
}

/// `None`, said aloud, without curl.
fn site() -> Option<Site> {
    if Program::new("sh").args(["-c", "command -v curl"]).run().code() != Some(0) {
        skip("curl is not installed");
        return None;
    }
    let dir = scratch();
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("a b")).unwrap();
    fs::write(dir.path().join("secret"), "secret").unwrap();
    fs::write(root.join("page.html"), "<p>page").unwrap();
    fs::write(root.join("a b/it's <1>&2.txt"), "odd").unwrap();
    fs::write(root.join("big.bin"), noise(3_000_000, 5)).unwrap();
    let server = Program::new("sh")
        .args(["-c", "cd \"$1\" && exec \"$NCAT\" -v -lk 127.0.0.1 0 --lua-exec \"$2\"", "sh"])
        .args([&root, &example("httpd.lua")])
        .env("NCAT", testkit::process::ncat_path())
        .held()
        .start();
    Some(Site { dir, server })
}

impl Site {
    fn curl(&self, args: &[&str], path: &str) -> Vec<u8> {
        let url = format!("http://127.0.0.1:{}{path}", self.server.port());
        let args = ["-sS", "--path-as-is", "--max-time", "20"].iter().chain(args);
        Program::new("curl").args(args).args([&url]).run().expect_code(0).stdout
    }

    fn text(&self, args: &[&str], path: &str) -> String {
        String::from_utf8(self.curl(args, path)).unwrap()
    }

    /// The status alone.
    fn status(&self, args: &[&str], path: &str) -> String {
        let told = ["-o", "/dev/null", "-w", "%{http_code} %{content_type} %{redirect_url}"];
        let args: Vec<&str> = args.iter().chain(&told).copied().collect();
        self.text(&args, path)
    }
}

#[test]
fn files_types_ranges_and_lists() {
    let Some(site) = site() else { return };
    assert_eq!(site.text(&[], "/page.html"), "<p>page");
    assert_eq!(site.status(&[], "/page.html?x=1"), "200 text/html; charset=utf-8 ");
    assert_same(&site.curl(&[], "/big.bin"), &noise(3_000_000, 5), "big.bin");
    assert_eq!(site.status(&[], "/big.bin"), "200 application/octet-stream ");
    let head = site.text(&["-I"], "/big.bin");
    assert!(head.contains("Content-Length: 3000000\r\n") && head.ends_with("\r\n\r\n"), "{head}");

    assert_eq!(site.text(&["-r", "3-5"], "/page.html"), "pag");
    assert_eq!(site.text(&["-r", "-2"], "/page.html"), "ge");
    assert_eq!(site.text(&["-r", "5-99"], "/page.html"), "ge");
    let part = site.text(&["-i", "-r", "0-0"], "/page.html");
    assert!(part.starts_with("HTTP/1.1 206 ") && part.contains("Content-Range: bytes 0-0/7\r\n"));
    assert!(site.status(&["-r", "7-"], "/page.html").starts_with("416 "));
    assert!(site.status(&["-H", "Range: lines=1-2"], "/page.html").starts_with("200 "));

    let list = site.text(&[], "/");
    assert!(list.contains("<a href=\"./a%20b/\">a b/</a>") && list.contains("./big.bin"), "{list}");
    let list = site.text(&[], "/a%20b/");
    let link = "./it%27s%20%3C1%3E%262.txt\">it&#39;s &#60;1&#62;&#38;2.txt</a>";
    assert!(list.contains(link), "{list}");
    assert_eq!(site.text(&[], "/a%20b/it%27s%20%3C1%3E%262.txt"), "odd");
    let moved = site.status(&[], "/a%20b");
    assert!(moved.starts_with("301 ") && moved.ends_with("/a%20b/"), "{moved}");
    fs::write(site.dir.path().join("root/a b/index.html"), "index").unwrap();
    assert_eq!(site.text(&[], "/a%20b/"), "index");
}

#[test]
fn nothing_above_the_directory_is_served() {
    let Some(site) = site() else { return };
    for path in [
        "/../secret",
        "/a%20b/../../secret",
        "/%2e%2e/secret",
        "/%2E%2E%2Fsecret",
        "/..%2fsecret",
        "/..%5csecret",
        "/a%00b",
        "/%",
        "/%zz",
        "/./page.html",
    ] {
        assert!(site.status(&[], path).starts_with("403 "), "{path}");
    }
    let missing = format!("/{}/secret", site.dir.path().display());
    assert!(site.status(&[], &missing).starts_with("404 "));
    assert!(site.status(&[], "/page.html/").starts_with("404 "));
}

#[test]
fn several_requests_on_a_connection_and_requests_that_are_none() {
    let Some(site) = site() else { return };
    let mut client = connect(site.server.port());
    let request = "GET /page.html HTTP/1.1\r\nHost: x\r\n\r\n";
    client.write_all(request.repeat(3).as_bytes()).unwrap();
    client.write_all(b"HEAD /page.html HTTP/1.0\r\n\r\n").unwrap();
    let all = rest(&mut client);
    assert_eq!(all.matches("HTTP/1.1 200 OK").count(), 4, "{all}");
    assert_eq!(all.matches("<p>page").count(), 3, "{all}");

    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(9000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101));
    for (request, status) in [
        ("nonsense\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nno field\r\n\r\n", "400"),
        ("GET / HTTP/2.0\r\n\r\n", "505"),
        ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405"),
        (&long, "414"),
        (&many, "431"),
    ] {
        let mut client = connect(site.server.port());
        client.write_all(request.as_bytes()).unwrap();
        let told = rest(&mut client);
        assert!(told.starts_with(&format!("HTTP/1.1 {status} ")), "{request:.40}: {told}");
    }
}
