-- Puts something before each line, in either direction, or takes bytes off the lines that come.
return {
  about = "text before each line",
  options = {
    out = {type = "string", default = "", help = "before each line that is sent"},
    ["in"] = {type = "string", default = "", help = "before each line that is received"},
    strip = {type = "int", default = "0", help = "bytes to take off each line that is received"},
  },
  init = function(self)
    -- Whether a line begins; bytes that are still to be taken off this one.
    self.begins_out, self.begins_in, self.left = true, true, args.strip
  end,
  recv = function(self)
    while true do
      local data, err, why = self.super:recv()
      if not data then return data, err, why end
      local out = {}
      for line in data:gmatch("[^\n]*\n?") do
        if line ~= "" then
          local ends = line:sub(-1) == "\n"
          local text = ends and line:sub(1, -2) or line
          local off = math.min(self.left, #text)
          self.left = self.left - off
          text = text:sub(off + 1)
          if self.begins_in and (text ~= "" or ends) then
            out[#out + 1] = args["in"]
            self.begins_in = false
          end
          out[#out + 1] = text
          if ends then
            out[#out + 1] = "\n"
            self.begins_in, self.left = true, args.strip
          end
        end
      end
      local text = table.concat(out)
      if text ~= "" then return text end
    end
  end,
  send = function(self, data)
    local out = {}
    for line in data:gmatch("[^\n]*\n?") do
      if line ~= "" then
        if self.begins_out then out[#out + 1] = args.out end
        out[#out + 1] = line
        self.begins_out = line:sub(-1) == "\n"
      end
    end
    return self.super:send(table.concat(out))
  end,
  tests = {
    {args = {out = "> "}, send = "a\nb\n", wire = "> a\n> b\n", chunks = "any"},
    {args = {out = "> "}, send = {"a", "b\n", "\nc"}, wire = "> ab\n> \n> c", chunks = "any"},
    {args = {strip = "2", ["in"] = "<"}, recv = "XYa\nX\n\nXYb", deliver = "<a\n<\n<\n<b", chunks = "any"},
    {args = {strip = "1"}, recv = {"X", "a\nXb\n"}, deliver = "a\nb\n", chunks = "any"},
  },
}
