-- Hexadecimal text on the wire.
return {
  about = "hexadecimal text on the wire",
  init = function(self) self.rest = "" end,
  recv = function(self)
    while true do
      local data, err, why = self.super:recv()
      if not data then
        if self.rest == "" then return data, err, why end
        return nil, "ERROR", "truncated hexadecimal input"
      end
      if self.conn.datagram then return bytes.unhex(data) end
      local text = self.rest .. data:gsub("%s+", "")
      local whole = #text - #text % 2
      self.rest = text:sub(whole + 1)
      if whole > 0 then return bytes.unhex(text:sub(1, whole)) end
    end
  end,
  send = function(self, data) return self.super:send(bytes.hex(data)) end,
  tests = {
    {send = "HELLO\n", wire = "48454c4c4f0a", chunks = "any"},
    {recv = {"4", "8 45"}, deliver = "HE", chunks = "any"},
    {recv = "484", deliver = "H", error = "truncated hexadecimal input", chunks = "any"},
    {datagram = true, recv = {"48", "45"}, deliver = {"H", "E"}},
  },
}
