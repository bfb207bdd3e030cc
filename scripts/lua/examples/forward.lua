-- Joins every client with another server, whatever the port it came to:
--
--   ncat -l -k 8080 --lua-allow net -L scripts/lua/examples/forward.lua:to=example.org\\:443,tls
--
-- With `tls` the way to the server is secured, so that a program which cannot speak TLS talks with one
-- that wants it; with `verify` the server has to be who it should be.
local options = {
  to = {type = "hostport", required = true, help = "the server"},
  tls = {type = "bool", default = false, help = "speak TLS with it"},
  verify = {type = "bool", default = false, help = "and know that it is the one"},
}

local function accept(self)
  local tls = args.tls and {verify = args.verify}
  local server, code, why = ncat.connect(args.to.host, args.to.port, {tls = tls})
  if not server then return nil, code, why end
  -- From here on the bytes pass Lua by.
  local sent, received, words = ncat.relay(self.super, server)
  if not sent then return nil, received, words end
  ncat.log("info", "%s: %d bytes there, %d back", self.conn.remote_addr, sent, received)
  -- The client has been served: nothing of it is for standard output.
  return false
end

return {
  about = "join every client with another server",
  options = options,
  needs = {"net"},
  modes = {datagram = false},
  accept = accept,
}
