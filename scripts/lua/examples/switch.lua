-- One port for several servers; what a client says first decides which one it gets:
--
--   ncat -l -k 443 --lua-allow net -L scripts/lua/examples/switch.lua:tls=localhost\\:8443,http=localhost\\:8080,ssh=localhost\\:22
--
-- A client that says nothing for `patience` wants to be spoken to, as SSH's and SMTP's do: it gets `ssh`,
-- or `other` where there is no `ssh`.
local options = {
  tls = {type = "hostport", help = "for TLS"},
  http = {type = "hostport", help = "for HTTP"},
  ssh = {type = "hostport", help = "for SSH, and for who waits"},
  other = {type = "hostport", help = "for everybody else"},
  patience = {type = "time", default = "2s", help = "how long to wait for the first word"},
}

-- What a client speaks, by its first bytes.
local function kind(first)
  if first:byte(1) == 22 then return "tls" end
  if first:find "^SSH%-" then return "ssh" end
  if first:find "^%u+ %S" then return "http" end
  return "other"
end

local function accept(self)
  self.super:set_timeout(args.patience * 1000)
  local first, code, why = self.super:recv()
  self.super:set_timeout(-1)
  local speaks
  if first then
    speaks = kind(first)
  elseif code == "TIMEOUT" then
    first, speaks = "", "ssh"
  else
    return nil, code, why
  end
  local to = args[speaks] or args.other
  if not to then return nil, "DENIED", "nobody here speaks " .. speaks end
  local server
  server, code, why = ncat.connect(to.host, to.port)
  if not server then return nil, code, why end
  local ok
  ok, code, why = server:send(first)
  if not ok then return nil, code, why end
  ncat.log("info", "%s speaks %s", self.conn.remote_addr, speaks)
  ok, code, why = ncat.relay(self.super, server)
  if not ok then return nil, code, why end
  return false
end

return {
  about = "one port for TLS, HTTP and SSH",
  options = options,
  needs = {"net"},
  modes = {datagram = false},
  accept = accept,
}
