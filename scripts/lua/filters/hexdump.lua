-- Writes what passes, in either direction, as -x does; changes nothing. To see the wire it goes first:
-- -L hexdump:file=wire.hex -L gzip
local out, opening, failed

-- One file for all connections, begun anew when the first one comes.
local function output()
  while opening do ncat.sleep(0.001) end
  if not out and not failed then
    opening = true
    local file, _, why = ncat.open(args.file, "w")
    out, failed, opening = file, not file and why, nil
  end
  return out, "ERROR", failed and args.file .. ": " .. failed
end

local function ready()
  local file, code, why = output()
  if not file then return nil, code, why end
  return true
end

return {
  about = "a hex dump of what passes, on standard error or in a file",
  options = {
    file = {type = "path", default = "-", help = "where to write it; -: standard error"},
    dir = {type = {"in", "out", "both"}, default = "both", help = "which direction"},
  },
  connect = function(self, ...)
    local ok, code, why = ready()
    if not ok then return ok, code, why end
    return self.super:connect(...)
  end,
  accept = function(self)
    local ok, code, why = ready()
    if not ok then return ok, code, why end
    return self.super:accept()
  end,
  recv = function(self, max)
    local data, err, why = self.super:recv(max)
    if not data or data == "" or args.dir == "out" then return data, err, why end
    local ok, code, detail = out:write(ncat.hexdump(data))
    if not ok then return nil, code, detail end
    return data
  end,
  send = function(self, data)
    if args.dir ~= "in" then
      local ok, code, detail = out:write(ncat.hexdump(data))
      if not ok then return nil, code, detail end
    end
    return self.super:send(data)
  end,
  tests = {
    {
      args = {file = "x.hex"}, send = "HELLO\n", wire = "HELLO\n",
      files = {["x.hex"] = "0000   48 45 4c 4c 4f 0a" .. (" "):rep(33) .. "HELLO." .. (" "):rep(10) .. "\n"},
    },
    {
      recv = "HELLO\n", deliver = "HELLO\n",
      said = "0000   48 45 4c 4c 4f 0a" .. (" "):rep(33) .. "HELLO." .. (" "):rep(10) .. "\n",
    },
    {args = {dir = "out"}, recv = "HELLO\n", deliver = "HELLO\n", said = ""},
  },
}
