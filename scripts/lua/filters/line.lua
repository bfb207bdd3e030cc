-- Delivers whole lines only, each as it comes; the last one at the end, whole or not.
return {
  about = "delivers whole lines only",
  modes = {datagram = false},
  options = {max = {type = "size", default = "1M", help = "bytes in a line, at most"}},
  init = function(self) self.parts, self.size, self.ready = {}, 0, {} end,
  recv = function(self)
    while true do
      local first = table.remove(self.ready, 1)
      if first then return first end
      local data, err, why = self.super:recv()
      if not data then
        if self.size == 0 then return data, err, why end
        local last = table.concat(self.parts)
        self.parts, self.size = {}, 0
        return last
      end
      for line in data:gmatch("[^\n]*\n?") do
        if line ~= "" then
          self.parts[#self.parts + 1], self.size = line, self.size + #line
          if self.size > args.max then return nil, "ERROR", "a line is too long" end
          if line:sub(-1) == "\n" then
            self.ready[#self.ready + 1] = table.concat(self.parts)
            self.parts, self.size = {}, 0
          end
        end
      end
    end
  end,
  tests = {
    {recv = {"HE", "LLO\nwo", "rld\n"}, deliver = {"HELLO\n", "world\n"}, chunks = "any"},
    {recv = "HELLO\nrest", deliver = {"HELLO\n", "rest"}, chunks = "any"},
    {args = {max = "3"}, recv = "abc\n", error = "a line is too long"},
  },
}
