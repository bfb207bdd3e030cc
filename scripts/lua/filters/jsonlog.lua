-- A line of JSON for each piece of data that passes; changes nothing.
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

local function line(self, rest)
  local time = args.time and ('"time":%.6f,'):format(ncat.time()) or ""
  return out:write(('{%s"id":%d,%s}\n'):format(time, self.id, rest))
end

local function event(self, what, rest)
  if args.events == "data" then return true end
  return line(self, ('"event":"%s"%s'):format(what, rest or ""))
end

local function piece(self, dir, data)
  local rest = ('"dir":"%s","len":%d'):format(dir, #data)
  if args.data == "text" then
    -- What is no text has no form of its own in JSON.
    local text = json.encode(data)
    rest = rest .. (text and ',"text":' .. text or ',"hex":"' .. bytes.hex(data) .. '"')
  elseif args.data == "hex" then
    rest = rest .. ',"hex":"' .. bytes.hex(data) .. '"'
  end
  return line(self, rest)
end

local function begin(self, what)
  local file, code, why = output()
  if not file then return nil, code, why end
  return event(self, what)
end

return {
  about = "a line of JSON for each piece that passes, on standard error or in a file",
  options = {
    file = {type = "path", default = "-", help = "where to write it; -: standard error"},
    data = {type = {"text", "hex", "none"}, default = "text", help = "how the data is shown"},
    time = {type = "bool", default = "on", help = "whether each line has the time"},
    events = {type = {"data", "all"}, default = "data", help = "all: beginnings and ends too"},
  },
  connect = function(self, ...)
    local ok, code, why = begin(self, "connect")
    if not ok then return ok, code, why end
    return self.super:connect(...)
  end,
  accept = function(self)
    local ok, code, why = begin(self, "accept")
    if not ok then return ok, code, why end
    return self.super:accept()
  end,
  recv = function(self, max)
    local data, err, why = self.super:recv(max)
    if not data or data == "" then return data, err, why end
    local ok, code, detail = piece(self, "recv", data)
    if not ok then return nil, code, detail end
    return data
  end,
  send = function(self, data)
    local ok, code, detail = piece(self, "send", data)
    if not ok then return nil, code, detail end
    return self.super:send(data)
  end,
  shutdown = function(self)
    event(self, "shutdown")
    return self.super:shutdown()
  end,
  error = function(self, info)
    if out then event(self, "error", ',"message":' .. (json.encode(info.message) or '""')) end
  end,
  close = function(self, reason)
    if out then event(self, "close", (',"reason":"%s"'):format(reason)) end
    return self.super:close(reason)
  end,
  tests = {
    {
      args = {time = "off"}, send = "HELLO\n", wire = "HELLO\n",
      said = '{"id":1,"dir":"send","len":6,"text":"HELLO\\n"}\n',
    },
    {
      args = {time = "off", data = "hex", file = "log"}, recv = "\xff\0", deliver = "\xff\0",
      files = {log = '{"id":1,"dir":"recv","len":2,"hex":"ff00"}\n'},
    },
    {
      args = {time = "off", data = "none", events = "all"}, send = "x", shutdown = true, wire = "x",
      said = '{"id":1,"event":"accept"}\n{"id":1,"dir":"send","len":1}\n{"id":1,"event":"shutdown"}\n'
        .. '{"id":1,"event":"close","reason":"done"}\n',
    },
    {args = {time = "off"}, send = "\xff", wire = "\xff", said = '{"id":1,"dir":"send","len":1,"hex":"ff"}\n'},
  },
}
