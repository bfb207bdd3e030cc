-- Dials through a SOCKS 5 proxy (RFC 1928, RFC 1929). What the proxy sent behind its answer is data.
local WHY = {
  {"ERROR", "general failure"}, {"DENIED", "not allowed by its rules"},
  {"UNREACHABLE", "network unreachable"}, {"UNREACHABLE", "host unreachable"},
  {"REFUSED", "connection refused"}, {"TIMEOUT", "time to live expired"},
  {"ERROR", "command not supported"}, {"ERROR", "address type not supported"},
}

-- Exactly so many bytes of what comes; what is more stays in self.rest.
local function take(self, count)
  while #self.rest < count do
    local data, err, why = self.super:recv()
    if not data then
      if err and err ~= "EOF" then return nil, err, why end
      return nil, "ERROR", "the proxy closed the connection"
    end
    self.rest = self.rest .. data
  end
  local taken = self.rest:sub(1, count)
  self.rest = self.rest:sub(count + 1)
  return taken
end

local function ask(self, text)
  local ok, err, why = self.super:send(text)
  if not ok and err then return nil, err, why end
  return true
end

local function ipv4(host)
  local a, b, c, d = host:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
  if a and a < 256 and b < 256 and c < 256 and d < 256 then return string.char(a, b, c, d) end
end

local function groups(text)
  local out = ""
  for word in text:gmatch("[^:]+") do
    local four = ipv4(word)
    if four then out = out .. four
    elseif word:find("^%x%x?%x?%x?$") then out = out .. string.pack(">I2", tonumber(word, 16))
    else return nil end
  end
  return out
end

local function ipv6(host)
  if not host:find(":", 1, true) then return nil end
  local before, after = host:match("^(.-)::(.*)$")
  local left, right = groups(before or host), groups(after or "")
  if not left or not right or #left + #right > (before and 14 or 16) then return nil end
  local text = left .. ("\0"):rep(16 - #left - #right) .. right
  return (before or #left == 16) and text or nil
end

local function authenticate(self)
  local user, password = args.user, args.password or ""
  if not user then return nil, "DENIED", "the proxy wants a name and a password" end
  local ok, err, why = ask(self, "\1" .. string.pack("s1s1", user, password))
  if not ok then return nil, err, why end
  local answer
  answer, err, why = take(self, 2)
  if not answer then return nil, err, why end
  if answer:byte(2) ~= 0 then return nil, "DENIED", "the proxy did not take the name and the password" end
  return true
end

return {
  about = "dials through a SOCKS 5 proxy",
  needs = {"net"},
  modes = {datagram = false},
  options = {
    server = {type = "hostport", required = true, help = "the proxy"},
    user = {type = "string", help = "name for the proxy"},
    password = {type = "string", secret = true, help = "password for the proxy"},
  },
  init = function(self) self.rest = "" end,
  connect = function(self, host, port)
    if not port then return nil, "ERROR", "a proxy cannot dial a path" end
    if #host > 255 or #(args.user or "") > 255 or #(args.password or "") > 255 then
      return nil, "ERROR", "a name is too long for SOCKS"
    end
    local ok, err, why = self.super:connect(args.server.host, args.server.port)
    if not ok then return nil, err, why end
    ok, err, why = ask(self, args.user and "\5\2\0\2" or "\5\1\0")
    if not ok then return nil, err, why end
    local answer
    answer, err, why = take(self, 2)
    if not answer then return nil, err, why end
    local version, method = answer:byte(1, 2)
    if version ~= 5 then return nil, "ERROR", "this is no SOCKS 5 proxy" end
    if method == 2 then
      ok, err, why = authenticate(self)
      if not ok then return nil, err, why end
    elseif method ~= 0 then
      return nil, "DENIED", "the proxy takes none of the ways to say who we are"
    end
    local four, six = ipv4(host), ipv6(host)
    local address = four and "\1" .. four or six and "\4" .. six or "\3" .. string.pack("s1", host)
    ok, err, why = ask(self, "\5\1\0" .. address .. string.pack(">I2", port))
    if not ok then return nil, err, why end
    answer, err, why = take(self, 4)
    if not answer then return nil, err, why end
    local code, _, kind = answer:byte(2, 4)
    if code ~= 0 then
      local said = WHY[code] or {"ERROR", "error " .. code}
      return nil, said[1], "the proxy answered: " .. said[2]
    end
    local length = ({[1] = 4, [4] = 16})[kind]
    if kind == 3 then
      answer, err, why = take(self, 1)
      if not answer then return nil, err, why end
      length = answer:byte()
    end
    if not length then return nil, "ERROR", "the proxy's answer is no address" end
    answer, err, why = take(self, length + 2)
    if not answer then return nil, err, why end
    return true
  end,
  recv = function(self, max)
    local rest = self.rest
    if rest == "" then return self.super:recv(max) end
    self.rest = ""
    return rest
  end,
  tests = {
    {
      args = {server = "proxy.example:1080"}, connect = {"example.org", 80},
      wire = "\5\1\0\5\1\0\3\x0bexample.org\0\x50", recv = "\5\0\5\0\0\1\0\0\0\0\0\0HI", deliver = "HI",
      chunks = "any",
    },
    {
      args = {server = "p:1", user = "me", password = "pw"}, connect = {"192.0.2.7", 443},
      wire = "\5\2\0\2\1\2me\2pw\5\1\0\1\xc0\0\2\7\1\xbb", recv = "\5\2\1\0\5\0\0\3\1x\0\0", deliver = "",
      chunks = "any",
    },
    {
      args = {server = "p:1"}, connect = {"2001:db8::1:0", 1},
      wire = "\5\1\0\5\1\0\4\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\1\0\0\0\1",
      recv = "\5\0\5\0\0\4" .. ("\0"):rep(18) .. "x", deliver = "x",
    },
    {
      args = {server = "p:1"}, connect = {"::ffff:192.0.2.1", 1},
      wire = "\5\1\0\5\1\0\4" .. ("\0"):rep(10) .. "\xff\xff\xc0\0\2\1\0\1",
      recv = "\5\0\5\0\0\1" .. ("\0"):rep(6), deliver = "",
    },
    {args = {server = "p:1"}, connect = {"x", 1}, recv = "\5\0\5\5\0\1", error = "the proxy answered: connection refused"},
    {args = {server = "p:1"}, connect = {"x", 1}, recv = "\5\2", error = "the proxy wants a name and a password"},
    {
      args = {server = "p:1", user = "u"}, connect = {"x", 1}, recv = "\5\2\1\1",
      error = "the proxy did not take the name and the password",
    },
    {
      args = {server = "p:1"}, connect = {"x", 1}, recv = "\5\xff",
      error = "the proxy takes none of the ways to say who we are",
    },
    {args = {server = "p:1"}, connect = {"x", 1}, recv = "HTTP", error = "this is no SOCKS 5 proxy"},
    {args = {server = "p:1"}, connect = {"x", 1}, recv = "\5\0\5", error = "the proxy closed the connection"},
  },
}
