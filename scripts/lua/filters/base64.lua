-- Base64: each piece that is sent is one padded unit; units come back to back, with white space, in any
-- pieces. Of a datagram each is whole.
local url, wrap

local function encode(data)
  local text = bytes.base64(data, {url = url})
  if wrap and wrap > 0 then
    text = text:gsub(("."):rep(wrap), "%0\n")
    if text:sub(-1) ~= "\n" then text = text .. "\n" end
  end
  return text
end

return {
  about = "Base64 on the wire",
  options = {
    url = {type = "bool", default = "false", help = "the letters that addresses may have"},
    wrap = {type = "int", default = "0", help = "letters in a line; 0: no lines"},
  },
  init = function(self)
    url, wrap = args.url, args.wrap
    self.rest = ""
  end,
  recv = function(self)
    if self.conn.datagram then
      local data, err, why = self.super:recv()
      if not data then return data, err, why end
      return bytes.unbase64(data)
    end
    while true do
      local data, err, why = self.super:recv()
      if not data then
        if self.rest == "" then return data, err, why end
        -- Of a unit that is not whole nothing is given.
        return nil, "ERROR", "truncated base64 input"
      end
      local text = self.rest .. data:gsub("%s+", "")
      local whole = #text - #text % 4
      self.rest = text:sub(whole + 1)
      if whole > 0 then return bytes.unbase64(text:sub(1, whole)) end
    end
  end,
  send = function(self, data) return self.super:send(encode(data)) end,
  tests = {
    {send = "HELLO\n", wire = "SEVMTE8K"},
    {send = {"HELLO", "HI"}, wire = {"SEVMTE8=", "SEk="}},
    {args = {url = "yes"}, send = "\xff\xfe\xfd", wire = "__79"},
    {args = {wrap = "4"}, send = "HELLO\n", wire = "SEVM\nTE8K\n"},
    {recv = {"SEV", "MTE8=SEk="}, deliver = "HELLOHI", chunks = "any"},
    {recv = "SEVM TE8\n=SE\tk=", deliver = "HELLOHI", chunks = "any"},
    {recv = "SEVMTE8", deliver = "HEL", error = "truncated base64 input", chunks = "any"},
    {recv = "SEVMT", deliver = "HEL", error = "truncated base64 input", chunks = "any"},
    {datagram = true, recv = {"SEVMTE8=", "SEk"}, deliver = {"HELLO", "HI"}},
    {datagram = true, send = {"HELLO", "HI"}, wire = {"SEVMTE8=", "SEk="}},
  },
}
