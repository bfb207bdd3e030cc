-- RFC 854: takes commands out of what comes and refuses every option; doubles the byte 255 that is sent.
local IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240

return {
  about = "takes telnet's commands out and refuses its options",
  modes = {datagram = false},
  -- "data"; "iac" after IAC; "option" after IAC and a verb; "sub" in a sub-negotiation; "subiac" after IAC
  -- in one.
  init = function(self) self.state = "data" end,
  recv = function(self, max)
    while true do
      local data, err, why = self.super:recv(max)
      if not data then return data, err, why end
      local out, answers, at = {}, {}, 1
      while at <= #data do
        local state, byte = self.state, data:byte(at)
        if state == "data" or state == "sub" then
          local mark = data:find("\255", at, true)
          if state == "data" then out[#out + 1] = data:sub(at, (mark or #data + 1) - 1) end
          at = mark or #data
          if mark then self.state = state == "data" and "iac" or "subiac" end
        elseif state == "iac" then
          self.state = "data"
          if byte == IAC then
            out[#out + 1] = "\255"
          elseif byte == SB then
            self.state = "sub"
          elseif byte >= WILL and byte <= DONT then
            self.state, self.verb = "option", byte
          end
        elseif state == "option" then
          self.state = "data"
          if self.verb == WILL then answers[#answers + 1] = string.char(IAC, DONT, byte) end
          if self.verb == DO then answers[#answers + 1] = string.char(IAC, WONT, byte) end
        else
          self.state = byte == SE and "data" or "sub"
        end
        at = at + 1
      end
      if #answers > 0 then
        local ok, code, detail = self.super:send(table.concat(answers))
        -- After our own end there are no answers any more.
        if not ok and code and code ~= "CLOSED" then return nil, code, detail end
      end
      local text = table.concat(out)
      if text ~= "" then return text end
    end
  end,
  send = function(self, data) return self.super:send(bytes.replace(data, "\255", "\255\255")) end,
  tests = {
    {
      recv = {"\xff\xfb\1\x68\xff\xff", "\xff\xfd", "\x18\x69\xff\xfa\x18\1\xff\xf0\x6a"},
      deliver = "\x68\xff\x69\x6a", wire = "\xff\xfe\1\xff\xfc\x18", chunks = "any",
    },
    {send = "\x61\xff", wire = "\x61\xff\xff", chunks = "any"},
    -- What is refused already, and commands without an option, have no answer.
    {recv = "a\xff\xfc\1\xff\xfe\2\xff\xf1b", deliver = "ab", wire = "", chunks = "any"},
    {recv = "a\xff\xfa\1\xff\xff\xffxyz\xff\xf0b", deliver = "ab", wire = "", chunks = "any"},
  },
}
