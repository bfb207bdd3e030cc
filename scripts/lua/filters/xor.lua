-- A key over and over; where it stands goes on from piece to piece, in each direction by itself. Of
-- datagrams each begins anew.
local function key() return args.hexkey or args.key end

return {
  about = "XOR with a repeating key",
  options = {
    key = {type = "string", secret = true, help = "the key"},
    hexkey = {type = "hex", secret = true, help = "the key in hexadecimal digits"},
  },
  connect = function(self, ...)
    if (key() or "") == "" then return nil, "ERROR", "xor needs key or hexkey" end
    return self.super:connect(...)
  end,
  accept = function(self)
    if (key() or "") == "" then return nil, "ERROR", "xor needs key or hexkey" end
    return self.super:accept()
  end,
  init = function(self) self.got, self.put = 0, 0 end,
  recv = function(self, max)
    local data, err, why = self.super:recv(max)
    if not data then return data, err, why end
    local at = self.got
    if not self.conn.datagram then self.got = at + #data end
    return bytes.xor(data, key(), at)
  end,
  send = function(self, data)
    local at = self.put
    if not self.conn.datagram then self.put = at + #data end
    return self.super:send(bytes.xor(data, key(), at))
  end,
  tests = {
    {
      args = {key = "secret"}, send = {"HELLO\n", "A"},
      wire = {"\x3b\x20\x2f\x3e\x2a\x7e", "\x32"},
    },
    {
      args = {hexkey = "736563726574"}, send = "HELLO\nA", wire = "\x3b\x20\x2f\x3e\x2a\x7e\x32",
      chunks = "any",
    },
    {
      args = {key = "secret"}, recv = "\x3b\x20\x2f\x3e\x2a\x7e\x32", deliver = "HELLO\nA",
      chunks = "any",
    },
    {args = {key = "secret"}, datagram = true, send = {"HE", "HE"}, wire = {"\x3b\x20", "\x3b\x20"}},
    {send = "x", wire = "", error = "xor needs key or hexkey"},
  },
}
