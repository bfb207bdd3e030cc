//! ORDER-1 and DOC-X: which filter is where.

use super::serve_support::scratch;
use super::{delivered, on_wire, script};

#[test]
fn the_first_filter_is_next_to_the_wire() {
    for (specs, wire) in [(["rot13", "base64"], "FRIZGR8X"), (["base64", "rot13"], "VVJZWUIK")] {
        let (sent, ended) = on_wire(&specs, b"HELLO\n");
        assert_eq!(String::from_utf8_lossy(&sent), wire);
        ended.expect_code(0);
        assert_eq!(delivered(&specs, &[wire.as_bytes()]).0, b"HELLO\n");
        // Every way of cutting it in two, and byte by byte.
        for at in 1..wire.len() {
            let (a, b) = wire.as_bytes().split_at(at);
            assert_eq!(delivered(&specs, &[a, b]).0, b"HELLO\n", "{at}");
        }
        let bytes: Vec<&[u8]> = wire.as_bytes().chunks(1).collect();
        assert_eq!(delivered(&specs, &bytes).0, b"HELLO\n");
    }
    assert_eq!(on_wire(&["rot13", "base64"], b"HELLO").0, b"FRIZGR8=");
}

#[test]
fn the_documents_prefix_sample() {
    let dir = scratch();
    let text = "return {
  recv = function (self)
      local line, err = self.super:recv()
      if line == nil then
        return line, err
      end
      return line:sub(2)
  end,
  send = function(self, buf)
      return self.super:send('X'..buf)
  end
}";
    let path = script(dir.path(), text);
    let spec = path.to_str().unwrap();
    assert_eq!(on_wire(&[spec], b"HELLO\n").0, b"XHELLO\n");
    assert_eq!(delivered(&[spec], &[b"XHELLO\n"]).0, b"HELLO\n");
}

#[test]
fn empty_filters_change_nothing_at_any_depth() {
    let dir = scratch();
    let path = script(dir.path(), "return {}");
    let spec = path.to_str().unwrap();
    let data = super::serve_support::noise(300_000, 8);
    for depth in [1, 2, 5, 32] {
        let (wire, ended) = on_wire(&vec![spec; depth], &data);
        testkit::data::assert_same("wire", &wire, &data);
        ended.expect_code(0);
        assert_eq!(delivered(&vec![spec; depth], &[b"in"]).0, b"in");
    }
    let ran = super::ncat(["-l", "0"]).args(super::filters(&vec![spec; 33])).run();
    assert!(ran.expect_code(2).first_line().contains("Too many filters"));
}
