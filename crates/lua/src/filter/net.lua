-- Sockets of filters' own, and what a root can do besides the methods of the chain. Called once with the
-- native functions and what the prelude keeps to itself.
local native, PENDING, HANDLE, setmetatable, reader, nse = ...

local error, type, select, next, rawget = error, type, select, next, rawget
local yield, create, resume = coroutine.yield, coroutine.create, coroutine.resume
local close, status = coroutine.close, coroutine.status
local pack, unpack = table.pack, table.unpack

-- One coroutine reads at a time, until it has something or goes no further.
local CLAIM = {__close = function(claim) native.give_up(claim[1]) end}
local reads = {[native.recv] = true, [native.socket_recv] = true}

-- Tries again whenever there is a reason to, as long as the limit of this object allows.
local function waiting(handle, try, ...)
  local claim <close> = reads[try] and setmetatable({handle}, CLAIM) or nil
  local patience = native.patience(handle)
  local limit = patience and native.alarm("set_timeout", patience)
  while true do
    if limit and native.rang(limit) then return nil, "TIMEOUT" end
    yield(PENDING)
    local done, code, detail = try(handle, ...)
    if done ~= false then return done, code, detail end
  end
end

-- The results of work that is done outside Lua. It is given up when nobody waits for it any more.
local function await(work, code, detail)
  if not work then return nil, code, detail end
  local guard <close> = work
  local results = pack(native.work(work))
  while results[1] == false do
    yield(PENDING)
    results = pack(native.work(work))
  end
  return unpack(results, 2, results.n)
end

local methods = {}
local SOCKET = {__index = methods, __metatable = false, __name = "socket"}

local function is_socket(value)
  return type(value) == "table" and rawget(value, HANDLE) ~= nil
end

local function fresh()
  local handle, code, detail = native.socket()
  if not handle then return nil, code, detail end
  return setmetatable({[HANDLE] = handle}, SOCKET)
end

-- A method of a socket or a root that ends in a native function which may have to wait.
local function waits(try)
  return function(self, ...)
    local handle = self[HANDLE]
    local done, code, detail = try(handle, ...)
    if done == false then return waiting(handle, try, ...) end
    return done, code, detail
  end
end

-- NSE's reads go through a reader; what it has read too far is received first.
local READER = {}
local raw_recv = waits(native.socket_recv)

local function reader_of(self)
  local made = rawget(self, READER)
  if not made then
    made = reader.new({recv = function() return raw_recv(self) end})
    self[READER] = made
  end
  return made
end

nse(methods, reader_of)

function methods:recv(max)
  local made = rawget(self, READER)
  if made and made:buffered() > 0 then return made:some(max) end
  return raw_recv(self, max)
end

-- Before somebody else reads from it.
local function put_back(self)
  local made = rawget(self, READER)
  if made and made:buffered() > 0 then native.unread(self[HANDLE], made:some()) end
end

methods.shutdown = waits(native.socket_shutdown)

function methods:send(data)
  local handle = self[HANDLE]
  local ticket, code, detail = native.socket_send(handle, data)
  if not ticket or ticket == true then return ticket, code, detail end
  local done
  done, code, detail = native.socket_sent(handle, ticket)
  if done == false then return waiting(handle, native.socket_sent, ticket) end
  return done, code, detail
end

function methods:close() return native.socket_close(self[HANDLE]) end
function methods.accept() return true end

-- As NSE has it: a kind of connection, or options.
function methods:connect(host, port, how)
  local options = how
  if how == nil then options = {} end
  if type(how) == "string" then options = {proto = how} end
  if type(host) == "table" then host = host.ip or host.targetname or host.name end
  if type(port) == "table" then port, options = port.number, {proto = port.protocol} end
  self[READER] = nil
  return await(native.dial(self[HANDLE], host, port, options))
end

-- One datagram to somebody; the answers come from there.
function methods:sendto(host, port, data)
  if self.sends_to ~= host .. " " .. port or not native.is_connected(self[HANDLE]) then
    local done, code, detail = self:connect(host, port, "udp")
    if not done then return nil, code, detail end
    self.sends_to = host .. " " .. port
  end
  return self:send(data)
end

local function both(name, f) methods[name] = f return f end

local get_info = both("get_info", function(self) return native.get_info(self[HANDLE]) end)
local set_timeout = both("set_timeout", function(self, ms)
  return native.set_timeout(self[HANDLE], ms)
end)
local sslinfo = both("sslinfo", function(self) return native.sslinfo(self[HANDLE]) end)
local certificate = both("get_ssl_certificate", function(self)
  local info = native.sslinfo(self[HANDLE])
  return info and info.peer
end)
local start_tls = both("start_tls", function(self, options)
  put_back(self)
  return await(native.start_tls(self[HANDLE], options))
end)
methods.reconnect_ssl = start_tls

-- Two functions at once, in one coroutine; each gives way where it would wait. Ends with both, or with
-- the first that fails.
local function beside(f, g)
  local sides = {create(f), create(g)}
  local guard <close> = setmetatable({}, {__close = function()
    for _, side in next, sides do close(side) end
  end})
  local failure
  while next(sides) do
    for at = 1, 2 do
      local side = sides[at]
      if side then
        local ok, what = resume(side)
        if not ok then error(what, 0) end
        if status(side) == "dead" then
          sides[at] = nil
          failure = failure or what
        elseif what ~= PENDING then
          error("attempt to yield from outside a coroutine", 0)
        end
      end
    end
    if failure then return failure end
    if next(sides) then yield(PENDING) end
  end
end

local function relay(one, other)
  if type(one) ~= "table" or type(other) ~= "table" then
    error("relay was given something that is no socket", 2)
  end
  if is_socket(one) and is_socket(other) then
    put_back(one) put_back(other)
    return await(native.relay(one[HANDLE], other[HANDLE]))
  end
  local counts = {0, 0}
  local function copy(from, to, at)
    return function()
      while true do
        local data, code, detail = from:recv()
        if not data then
          if code ~= nil and code ~= "EOF" then return {code, detail} end
          local done, why, words = to:shutdown()
          if done == false or (done == nil and why ~= nil) then return {why or "ERROR", words} end
          return nil
        end
        local done, why, words = to:send(data)
        if done == false or (done == nil and why ~= nil) then return {why or "ERROR", words} end
        counts[at] = counts[at] + #data
      end
    end
  end
  local failure = beside(copy(one, other, 1), copy(other, one, 2))
  if failure then return nil, failure[1], failure[2], counts[1], counts[2] end
  return counts[1], counts[2]
end

local net = {waiting = waiting, waits = waits}

-- What the root has of it.
function net.extend(root)
  root.get_info, root.set_timeout, root.sslinfo = get_info, set_timeout, sslinfo
  root.get_ssl_certificate, root.start_tls, root.reconnect_ssl = certificate, start_tls, start_tls
end

-- What the description of a connection has of it; `root_of` finds what has its handle.
function net.describe(methods_of, root_of)
  for name, method in next, {
    get_info = get_info, sslinfo = sslinfo, get_ssl_certificate = certificate,
    start_tls = start_tls, reconnect_ssl = start_tls,
  } do
    methods_of[name] = function(conn, ...) return method(root_of(conn), ...) end
  end
end

-- What a description says about the ends, and about TLS, changes.
local PLACES = {local_addr = 2, local_port = 3, remote_addr = 4, remote_port = 5}
function net.fact(handle, key)
  if key == "tls" then return native.is_secured(handle) end
  local place = PLACES[key]
  if place then
    local value = select(place, native.get_info(handle))
    return value
  end
end
net.FACTS = {tls = true, local_addr = true, local_port = true, remote_addr = true, remote_port = true}

local DENIED = "outgoing connections are not allowed to this filter (--lua-allow net)"

-- What a script has of it, if it may.
function net.open(ncat, state)
  function ncat.connect(host, port, options)
    if not native.may_dial(state.grants) then return nil, "DENIED", DENIED end
    local socket, code, detail = fresh()
    if not socket then return nil, code, detail end
    local done
    done, code, detail = await(native.dial(socket[HANDLE], host, port, options or {}))
    if not done then
      native.socket_close(socket[HANDLE])
      return nil, code, detail
    end
    return socket
  end

  function ncat.new_socket()
    if not native.may_dial(state.grants) then return nil, "DENIED", DENIED end
    local socket, code, detail = fresh()
    if not socket then return nil, code, detail end
    socket:set_timeout(30000)
    return socket
  end

  function ncat.resolve(host)
    if not native.may_dial(state.grants) then return nil, "DENIED", DENIED end
    return await(native.resolve(host))
  end

  ncat.relay = relay
end

return net
