-- Lets somebody at a raw terminal edit the line: backspace takes a character back, ^W a word, ^U the line.
-- Lines are delivered when they are whole; the last one at the end, whole or not.
local function without_last(line)
  -- Of a character in UTF-8 all bytes.
  local at = #line
  while at > 1 and line:byte(at) & 0xC0 == 0x80 and #line - at < 3 do at = at - 1 end
  return line:sub(1, at - 1)
end

local EDITS = {
  ["\b"] = without_last,
  ["\127"] = without_last,
  ["\21"] = function() return "" end,
  ["\23"] = function(line) return (line:gsub("[^ \t]*[ \t]*$", "", 1)) end,
}

return {
  about = "lets raw terminals edit their line",
  modes = {datagram = false},
  options = {max = {type = "size", default = "64k", help = "bytes in a line, at most"}},
  init = function(self) self.line = "" end,
  recv = function(self)
    while true do
      local data, err, why = self.super:recv()
      if not data then
        local last = self.line
        if last == "" then return data, err, why end
        self.line = ""
        return last
      end
      local out, from = {}, 1
      while from <= #data do
        local at = data:find("[\b\127\21\23\n]", from) or #data + 1
        local line = self.line .. data:sub(from, at - 1)
        if #line > args.max then return nil, "ERROR", "a line is too long" end
        local key = data:sub(at, at)
        if key == "\n" then
          out[#out + 1] = line .. "\n"
          line = ""
        elseif key ~= "" then
          line = EDITS[key](line)
        end
        self.line = line
        from = at + 1
      end
      if #out > 0 then return table.concat(out) end
    end
  end,
  tests = {
    {recv = "HELX\bLO\n", deliver = "HELLO\n", chunks = "any"},
    {recv = "junk\x15HI\n", deliver = "HI\n", chunks = "any"},
    {recv = "\b\x17one two \x17\x17three\n", deliver = "three\n", chunks = "any"},
    {recv = "one two\x17x\n", deliver = "one x\n", chunks = "any"},
    {recv = "a\xc3\xa9\x7fb\n", deliver = "ab\n", chunks = "any"},
    {recv = "a\nrest\b", deliver = "a\nres", chunks = "any"},
    {args = {max = "3"}, recv = "abcd", error = "a line is too long", deliver = ""},
  },
}
