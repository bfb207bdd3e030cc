-- LF becomes CRLF on its way out, CRLF becomes LF on its way in, wherever pieces end.
return {
  about = "network line ends on the wire",
  modes = {datagram = false},
  init = function(self) self.cr_out, self.held = false, "" end,
  recv = function(self)
    while true do
      local data, err, why = self.super:recv()
      if not data then
        if self.held == "" then return data, err, why end
        self.held = ""
        return "\r"
      end
      if data ~= "" then
        data = self.held .. data
        self.held = data:sub(-1) == "\r" and "\r" or ""
        data = bytes.replace(data:sub(1, #data - #self.held), "\r\n", "\n")
        if data ~= "" then return data end
      end
    end
  end,
  send = function(self, data)
    local was = self.cr_out
    self.cr_out = data:sub(-1) == "\r"
    -- What is CRLF already stays so.
    local text = bytes.replace(bytes.replace(data, "\r\n", "\n"), "\n", "\r\n")
    if was and data:sub(1, 1) == "\n" then text = text:sub(2) end
    return self.super:send(text)
  end,
  tests = {
    {send = {"a\n", "b\r", "\n"}, wire = "a\r\nb\r\n", chunks = "any"},
    {send = "a\r\nb\rc\n\n", wire = "a\r\nb\rc\r\n\r\n", chunks = "any"},
    {recv = "a\r\r\n\r", deliver = "a\r\n\r", chunks = "any"},
    {recv = {"a\r", "\nb\rc"}, deliver = "a\nb\rc", chunks = "any"},
  },
}
