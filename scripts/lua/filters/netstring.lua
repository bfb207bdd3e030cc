-- Each piece that is sent is one netstring: its length, a colon, it, a comma. What comes may be cut
-- anywhere.
local MAX = 16 * 1024 * 1024

return {
  about = "netstrings on the wire",
  init = function(self) self.text = "" end,
  recv = function(self)
    while true do
      local digits, colon = self.text:match("^(%d*)()")
      if #digits > 9 or (#digits > 1 and digits:sub(1, 1) == "0") then break end
      local mark = self.text:sub(colon, colon)
      if mark ~= "" and (mark ~= ":" or digits == "") then break end
      if mark == ":" then
        local length = tonumber(digits)
        if length > MAX then return nil, "LIMIT", "a netstring is too long" end
        local last = colon + length + 1
        if #self.text >= last then
          if self.text:sub(last, last) ~= "," then break end
          local data = self.text:sub(colon + 1, last - 1)
          self.text = self.text:sub(last + 1)
          if data ~= "" or self.conn.datagram then return data end
          goto continue
        end
      end
      do
        local data, err, why = self.super:recv()
        if not data then
          if self.text == "" then return data, err, why end
          self.text = ""
          return nil, "ERROR", "truncated netstring"
        end
        self.text = self.text .. data
      end
      ::continue::
    end
    return nil, "ERROR", "this is no netstring"
  end,
  send = function(self, data) return self.super:send(("%d:%s,"):format(#data, data)) end,
  tests = {
    {send = "HELLO\n", wire = "6:HELLO\n,"},
    {recv = {"2:h", "i,0:,"}, deliver = "hi", chunks = "any"},
    {recv = "2:hi,5:h", deliver = "hi", error = "truncated netstring", chunks = "any"},
    {recv = "2:hi;", deliver = "", error = "this is no netstring", chunks = "any"},
    {recv = "02:hi,", deliver = "", error = "this is no netstring", chunks = "any"},
    {datagram = true, send = {"HE", ""}, wire = {"2:HE,", "0:,"}},
  },
}
