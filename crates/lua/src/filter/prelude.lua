-- What every filter's world is made of. Called once with the native functions; returns what the engine
-- calls. Scripts never see this chunk's locals.
local native, flags = ...

local raw = {
  pcall = pcall, xpcall = xpcall, resume = coroutine.resume, create = coroutine.create,
  yield = coroutine.yield, close = coroutine.close, load = load, setmetatable = setmetatable,
}
local error, next, pairs, ipairs, select, type = error, next, pairs, ipairs, select, type
local pack, unpack, sort, format = table.pack, table.unpack, table.sort, string.format
local getmetatable, setmetatable, rawget, rawset = debug.getmetatable, setmetatable, rawget, rawset
local yield, resume, create = coroutine.yield, coroutine.resume, coroutine.create
local traceback, collectgarbage = debug.traceback, collectgarbage

-- A call that would wait yields this and nothing else; what is below resumes when there is a reason to.
local PENDING = {}
-- Where a root keeps what the native functions know it by.
local HANDLE = {}

-- Once a limit was hit nothing is caught any more, until the event is left.
local function settle(...)
  if flags.tripped then error(flags.tripped, 0) end
  return ...
end

local waiting = native.waiting(native, {PENDING = PENDING})
local reader = native.reader(native)
local nse = native.nse(native, reader)
nse(reader.methods, function(self) return self end)

-- What waits in a coroutine of the script's own has the event wait. When that is cancelled, so is this.
local function wait_through(co)
  local inner <close> = waiting.guard(co)
  local results
  repeat
    yield(PENDING)
    results = pack(resume(co))
  until not (results[1] and results.n == 2 and results[2] == PENDING)
  inner[1] = nil
  return results
end

local function resume_through(co, ...)
  local results = pack(resume(co, ...))
  if results[1] and results.n == 2 and results[2] == PENDING then results = wait_through(co) end
  return settle(unpack(results, 1, results.n))
end

local function wrapped(f)
  local co = create(f)
  return function(...)
    local results = pack(resume_through(co, ...))
    if results[1] then return unpack(results, 2, results.n) end
    raw.close(co)
    error(results[2], 0)
  end
end

local net = native.net(native, PENDING, HANDLE, raw.setmetatable, reader, nse)

-- The root: a native connection as an object.
local root = {}

function root:recv(max)
  local handle = self[HANDLE]
  local data, code, detail = native.recv(handle, max)
  if data == false then return net.waiting(handle, native.recv, max) end
  return data, code, detail
end

function root:send(data)
  local handle = self[HANDLE]
  local done, code, detail = native.send(handle, data)
  if done == false then return net.waiting(handle, native.sent, code) end
  return done, code, detail
end

root.connect, root.shutdown, root.close =
  net.waits(native.connect), net.waits(native.shutdown), net.waits(native.close)
function root.accept() return true end
net.extend(root)

local ROOT = {
  __index = root, __metatable = false, __name = "root",
  __newindex = function() error("the root has no fields", 2) end,
  __pairs = function() return function() end end,
}

-- The methods a script does not define.
local delegators = {
  connect = function(self, ...) local super = self.super return super.connect(super, ...) end,
  accept = function(self, ...) local super = self.super return super.accept(super, ...) end,
  recv = function(self, ...) local super = self.super return super.recv(super, ...) end,
  send = function(self, ...) local super = self.super return super.send(super, ...) end,
  shutdown = function(self, ...) local super = self.super return super.shutdown(super, ...) end,
  close = function(self, ...) local super = self.super return super.close(super, ...) end,
}

-- Instances by layer and id.
local registry = {}
local handles = {}

local function ids()
  local list = {}
  for id in next, handles do list[#list + 1] = id end
  sort(list)
  return list
end

local function view(layer)
  -- One that is loaded anew goes on with the connections there are.
  local of_layer = registry[layer] or {}
  registry[layer] = of_layer
  local function broadcast(data, except)
    if type(data) ~= "string" then
      error(format("broadcast was given a %s, expected a string", type(data)), 2)
    end
    local left_out = except
    if type(except) == "table" then left_out = except.id end
    local reached, full = 0, {}
    for _, id in ipairs(ids()) do
      local instance = of_layer[id]
      if instance and id ~= left_out then
        if native.post(handles[id], instance, data) then reached = reached + 1
        else full[#full + 1] = id end
      end
    end
    return reached, full
  end
  return raw.setmetatable({}, {
    __metatable = false, __name = "connections",
    __index = function(_, key)
      if key == "broadcast" then return broadcast end
      return of_layer[key]
    end,
    __newindex = function() error("connections cannot be written to", 2) end,
    __len = function() return #ids() end,
    __pairs = function()
      local list, at = ids(), 0
      return function()
        local instance
        repeat
          at = at + 1
          if not list[at] then return nil end
          instance = of_layer[list[at]]
        until instance
        return list[at], instance
      end
    end,
  })
end

local function copy(from, without)
  local to = {}
  for key, value in next, from do if key ~= without then to[key] = value end end
  return to
end

local shared = {}
local bytes = native.bytes
local extend = native.library(native, PENDING, copy)

-- The text of a chunk: the compiler does not look at the clock.
local SOURCE_MAX = 1 << 20
local function whole(chunk)
  if type(chunk) == "function" then
    local pieces, length = {}, 0
    for piece in chunk do
      if piece == "" or length > SOURCE_MAX then break end
      pieces[#pieces + 1], length = piece, length + #piece
    end
    chunk = table.concat(pieces)
  end
  if type(chunk) == "string" and #chunk > SOURCE_MAX then
    error(format("the chunk is longer than %d bytes", SOURCE_MAX), 3)
  end
  return chunk
end

-- What runs for long without an instruction of Lua's, on tables that say they are longer than memory.
local LENGTH_MAX = 1 << 26
local library = copy(table)
for _, name in ipairs {"concat", "insert", "remove", "sort", "unpack"} do
  local f = table[name]
  library[name] = function(list, ...)
    if type(list) == "table" and #list > LENGTH_MAX then error("the list is too long", 2) end
    return f(list, ...)
  end
end
function library.move(from, first, last, ...)
  local count = type(first) == "number" and type(last) == "number" and last - first or 0
  if count > LENGTH_MAX then error("too many elements to move", 2) end
  return table.move(from, first, last, ...)
end

local function environment(layer, state, args)
  local env = {
    assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs, rawequal = rawequal,
    rawget = rawget, rawlen = rawlen, rawset = rawset, select = select, tonumber = tonumber,
    tostring = tostring, type = type, _VERSION = _VERSION,
    getmetatable = _G.getmetatable,
    math = copy(math), string = copy(string), table = copy(library), utf8 = copy(utf8),
    os = {time = os.time, date = os.date, clock = os.clock, difftime = os.difftime},
    debug = {traceback = traceback}, bytes = copy(bytes), args = args, connections = view(layer),
  }
  env._G = env
  function env.pcall(f, ...) return settle(raw.pcall(f, ...)) end
  -- While the slice ends nothing else can end what runs.
  function env.xpcall(f, handler, ...)
    local function handles(...)
      if flags.tripped then return ... end
      return handler(...)
    end
    return settle(raw.xpcall(f, handles, ...))
  end
  function env.setmetatable(t, meta)
    if type(meta) == "table" and rawget(meta, "__gc") ~= nil then
      error("__gc is not available", 2)
    end
    return raw.setmetatable(t, meta)
  end
  function env.collectgarbage(what)
    if what ~= "count" then error("only collectgarbage(\"count\") is available", 2) end
    return collectgarbage("count")
  end
  -- Without an environment named, the script's; text only.
  function env.load(chunk, name, _, ...)
    local text = whole(chunk)
    name = name or type(chunk) == "string" and chunk or "=(load)"
    if select("#", ...) == 0 then return settle(raw.load(text, name, "t", env)) end
    return settle(raw.load(text, name, "t", (...)))
  end
  env.coroutine = copy(coroutine)
  env.coroutine.resume, env.coroutine.wrap = resume_through, wrapped
  -- One that the slice has ended cannot be stopped any more.
  function env.coroutine.close(co) return settle(raw.close(settle(co))) end
  local loaded = {}
  function env.require(name)
    if loaded[name] == nil then
      local code, why = native.module(state.directory, name, env)
      if not code then error(why, 2) end
      local value = code(name)
      loaded[name] = value == nil and true or value
    end
    return loaded[name]
  end
  local function log(level, text) native.log(level, state.name, text) end
  function env.print(...)
    local words = pack(...)
    for at = 1, words.n do words[at] = tostring(words[at]) end
    log("print", table.concat(words, "\t", 1, words.n))
  end
  env.ncat = {
    shared = shared, version = native.version, now = native.now, time = native.time,
    log = function(level, text, ...)
      if select("#", ...) > 0 then text = format(text, ...) end
      log(level, text)
    end,
    sleep = waiting.sleep, spawn = waiting.spawn, with_timeout = waiting.with_timeout,
    queue = waiting.queue, reader = reader.new, buffer = native.buffer,
  }
  extend(env, state)
  net.open(env.ncat, state)
  return env
end

local function new_root(handle)
  return raw.setmetatable({[HANDLE] = handle}, ROOT)
end

-- What an instance knows of its connection. Each has a description of its own, which is but a number, so
-- that a timer finds back to who has set it; what there is to know is kept once.
local LAYERS = 64
local known = {}

local function connection(conn)
  local about = known[conn[1] // LAYERS]
  if not about then error("the connection has ended", 3) end
  return about
end

local methods = {}
net.describe(methods, connection)
function methods.close(conn, detail) return native.stop(connection(conn)[HANDLE], detail) end
function methods.set_timer(conn, delay, period)
  return native.set_timer(connection(conn)[HANDLE], conn[1] % LAYERS, delay, period)
end
function methods.clear_timer(conn, id)
  return native.clear_timer(connection(conn)[HANDLE], id)
end

local moves = {bytes_in = true, bytes_out = true}
local CONN = {
  __index = function(conn, key)
    local method = methods[key]
    if method then return method end
    local id = conn[1] // LAYERS
    local about = known[id]
    if not about then return key == "id" and id or nil end
    if moves[key] then return native.moved(about[HANDLE], key) end
    local fact = about.facts[key]
    if fact ~= nil then return fact end
    return net.fact(about[HANDLE], key)
  end,
  __metatable = false, __name = "conn",
  __newindex = function() error("self.conn cannot be written to", 2) end,
  __pairs = function(conn)
    local about = known[conn[1] // LAYERS]
    local all = about and copy(about.facts) or {}
    for key in next, about and moves or {} do all[key] = conn[key] end
    for key in next, about and net.FACTS or {} do all[key] = conn[key] end
    return next, all, nil
  end,
}

-- The stack of one connection: root and instances, and the description every instance has.
local function make(handle, id, facts, prototypes, arguments)
  local below = new_root(handle)
  known[id] = {[HANDLE] = handle, facts = facts}
  local instances = {}
  for layer, prototype in ipairs(prototypes) do
    local instance = copy(delegators)
    for key, value in next, prototype do instance[key] = value end
    instance.super, instance.id = below, id
    instance.conn = raw.setmetatable({id * LAYERS + layer}, CONN)
    instance.args, instance.layer = arguments[layer], layer
    local meta = getmetatable(prototype)
    if meta then
      if rawget(meta, "__gc") ~= nil then error("__gc is not available", 0) end
      raw.setmetatable(instance, meta)
    end
    instances[layer] = instance
    below = instance
  end
  return instances
end

local function register(handle, id, instances)
  handles[id] = handle
  for layer, instance in ipairs(instances) do registry[layer][id] = instance end
end

local function unregister(id)
  handles[id] = nil
  for _, of_layer in ipairs(registry) do of_layer[id] = nil end
end

-- From the wire to the user end, one chunk at a time.
local function inbound(handle, top, max)
  while native.deliver(handle, top:recv(max)) do
    while native.taken(handle) == false do yield(PENDING) end
  end
end

-- From the user end to the wire; what `send` returned is looked at before the next piece is taken.
local function outbound(handle, top)
  while true do
    local data = native.take(handle)
    while data == false do
      yield(PENDING)
      data = native.take(handle)
    end
    if data == nil then break end
    if not native.check_send(handle, top:send(data)) then return end
  end
  native.check_end(handle, top:shutdown())
end

-- What others have for this connection, in the order in which they had it.
local function posted(handle)
  local instance, data = native.next_post(handle)
  while instance do
    native.check_post(handle, instance:send(data))
    instance, data = native.next_post(handle)
  end
end

local function timed(instance, id)
  local timer = instance.timer
  if timer then timer(instance, id) end
end

local function connect(top, host, port) return top:connect(host, port) end
local function accept(top) return top:accept() end

-- The end: whoever wants to know of a failure, the end of what is sent, the end of the connection. What
-- fails here is told and changes nothing.
local function closing(handle, instances, info, reason, shuts)
  local function try(method, f, ...)
    local ok, why = raw.pcall(f, ...)
    if not ok then native.note(handle, method, tostring(why)) end
    flags.tripped = nil
  end
  if info then
    for _, instance in ipairs(instances) do
      if instance.error then try("error", instance.error, instance, info) end
    end
  end
  local top = instances[#instances]
  while not native.post_ended(handle) do yield(PENDING) end
  if shuts then try("shutdown", top.shutdown, top) end
  try("close", top.close, top, reason)
end

string.dump = nil
getmetatable("").__metatable = false

return {
  environment = environment, make = make, register = register, unregister = unregister,
  inbound = inbound, outbound = outbound, posted = posted, pending = PENDING, timed = timed,
  connect = connect, accept = accept, closing = closing, cancel = raw.close,
  forget = function(id) known[id] = nil end,
}
