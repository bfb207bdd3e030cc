-- Dials through an HTTP proxy with CONNECT. What the proxy sent behind its answer is data.
local MAX = 16 * 1024

local function authority(host, port)
  if host:find(":", 1, true) then host = "[" .. host .. "]" end
  return ("%s:%d"):format(host, port)
end

-- The head of the proxy's answer, its first line; what came behind it stays in self.rest.
local function answer(self)
  local text = self.rest
  while true do
    local _, last = text:find("\r?\n\r?\n")
    if last then
      self.rest = text:sub(last + 1)
      return text:match("^[^\r\n]*")
    end
    if #text > MAX then return nil, "ERROR", "the proxy's answer is too long" end
    local data, err, why = self.super:recv()
    if not data then
      if err and err ~= "EOF" then return nil, err, why end
      return nil, "ERROR", "the proxy closed the connection"
    end
    text = text .. data
  end
end

return {
  about = "dials through an HTTP proxy (CONNECT)",
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
    if (host .. (args.user or "") .. (args.password or "")):find("[\r\n]") then
      return nil, "ERROR", "a name has a line's end in it"
    end
    local ok, err, why = self.super:connect(args.server.host, args.server.port)
    if not ok then return nil, err, why end
    local target = authority(host, port)
    local head = "CONNECT " .. target .. " HTTP/1.1\r\nHost: " .. target .. "\r\n"
    if args.user then
      local word = bytes.base64(args.user .. ":" .. (args.password or ""))
      head = head .. "Proxy-Authorization: Basic " .. word .. "\r\n"
    end
    ok, err, why = self.super:send(head .. "\r\n")
    if not ok and err then return nil, err, why end
    repeat
      local line
      line, err, why = answer(self)
      if not line then return nil, err, why end
      local code = line:match("^HTTP/%d%.%d (%d%d%d)")
      if not code then return nil, "ERROR", "this is no HTTP proxy: " .. bytes.escape(line:sub(1, 80)) end
      if code:sub(1, 1) == "2" then return true end
      if code:sub(1, 1) ~= "1" then
        local said = bytes.escape(line:sub(10, 90))
        return nil, code == "407" and "DENIED" or "ERROR", "the proxy answered: " .. said
      end
    until false
  end,
  recv = function(self, max)
    local rest = self.rest
    if rest == "" then return self.super:recv(max) end
    self.rest = ""
    return rest
  end,
  tests = {
    {
      args = {server = "proxy.example:3128"}, connect = {"example.org", 80},
      wire = "CONNECT example.org:80 HTTP/1.1\r\nHost: example.org:80\r\n\r\n",
      recv = "HTTP/1.1 200 OK\r\n\r\nHI", deliver = "HI", chunks = "any",
    },
    {
      args = {server = "[::1]:3128", user = "me", password = "secret"}, connect = {"2001:db8::1", 443},
      wire = "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n"
        .. "Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n",
      recv = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n", deliver = "",
      chunks = "any",
    },
    {
      args = {server = "p:1"}, connect = {"example.org", 80}, recv = "HTTP/1.1 407 Who\x1b are you\r\n\r\n",
      error = "the proxy answered: 407 Who\\x1b are you",
    },
    {
      args = {server = "p:1"}, connect = {"example.org", 80}, recv = "SSH-2.0\r\n\r\n",
      error = "this is no HTTP proxy: SSH-2.0",
    },
    {
      args = {server = "p:1"}, connect = {"example.org", 80}, recv = "HTTP/1.1 200",
      error = "the proxy closed the connection",
    },
    {
      args = {server = "p:1"}, connect = {"example.org", 80}, recv = ("x"):rep(20000),
      error = "the proxy's answer is too long",
    },
  },
}
