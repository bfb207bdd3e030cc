//! SCTP over a link that delays and loses, made by the lab's `netlab` inside the guest.

use std::fs;

use tempfile::TempDir;
use testkit::data;
use testkit::process::{Program, ncat_path};

#[ignore = "needs SCTP"]
#[test]
fn sctp_over_a_link_that_loses_packets() {
    let netlab = crate::tool("netlab").expect("the lab is where guest-run is");
    let dir = TempDir::new().unwrap();
    let (up, down) = (data::bytes(31, 400_000), data::bytes(32, 400_000));
    fs::write(dir.path().join("up"), &up).unwrap();
    fs::write(dir.path().join("down"), &down).unwrap();
    let a = "exec \"$NCAT\" --sctp -v -l 5000 <\"$DIR/down\" >\"$DIR/up.got\"";
    let b = "exec \"$NCAT\" --sctp -v $NETLAB_PEER 5000 <\"$DIR/up\" >\"$DIR/down.got\"";
    let link = ["--loss", "1", "--delay", "10", "--stats", "--timeout", "55"];
    let lab = Program::new(netlab).args(link).args(["--ready", "sctp:5000", a, b]);
    let ended = lab.env("NCAT", ncat_path()).env("DIR", dir.path()).run().expect_code(0);
    let got = |name: &str| fs::read(dir.path().join(name)).unwrap();
    assert_eq!(got("up.got").len(), up.len(), "{}", ended.stderr);
    data::assert_same("up", &got("up.got"), &up);
    data::assert_same("down", &got("down.got"), &down);
}
