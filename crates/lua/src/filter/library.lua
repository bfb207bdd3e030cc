-- What scripts may call beside the core: files, the environment, and with `unsafe` all of Lua. Called once
-- with the native functions; what it returns is called for each script's world.
local native, PENDING, copy = ...
local yield, type, error, format, gsub = coroutine.yield, type, error, string.format, string.gsub
local select, tostring, setmetatable, rawget = select, tostring, setmetatable, rawget

-- What comes of a job, once it has come.
local function await(job)
  local result, code, detail = native.file_done(job)
  while result == false do
    yield(PENDING)
    result, code, detail = native.file_done(job)
  end
  return result, code, detail
end

-- Where a file object keeps what the native functions know it by.
local FILE = {}
local file = {}
function file:read(count) return await(native.file_read(rawget(self, FILE), count)) end
function file:line() return await(native.file_line(rawget(self, FILE))) end
function file:flush() return await(native.file_flush(rawget(self, FILE))) end
function file:close() return await(native.file_close(rawget(self, FILE))) end
function file:write(data)
  if type(data) ~= "string" then
    error(format("write was given a %s, expected a string", type(data)), 2)
  end
  return await(native.file_write(rawget(self, FILE), data))
end
local FILE_META = {__index = file, __metatable = false, __name = "file"}

-- Standard error: lines, made safe for terminals.
local screen = {
  read = function() return nil, "CLOSED", "standard error is for writing" end,
  flush = function() return true end,
  close = function() return true end,
}
screen.line = screen.read
function screen:write(data)
  if type(data) ~= "string" then
    error(format("write was given a %s, expected a string", type(data)), 2)
  end
  native.log("plain", "", data)
  return true
end
local SCREEN_META = {__index = screen, __metatable = false, __name = "file"}

return function(env, state)
  local ncat, grants = env.ncat, state.grants
  function ncat.open(path, mode)
    if type(path) ~= "string" then
      error(format("open was given a %s, expected a path", type(path)), 2)
    end
    if path == "-" and mode ~= nil and mode ~= "r" and mode ~= "rb" then
      return setmetatable({}, SCREEN_META)
    end
    local handle, code, detail = await(native.open(grants, path, mode or "r"))
    if not handle then return nil, code, detail end
    return setmetatable({[FILE] = handle}, FILE_META)
  end
  env.codec, env.crypto, env.json = copy(native.codec), copy(native.crypto), copy(native.json)
  ncat.random, ncat.hexdump = native.random, native.hexdump
  function ncat.env(name) return native.env(grants, name) end
  if state.whole then
    env.io, env.debug = copy(state.whole.io), copy(state.whole.debug)
    env.os = copy(state.whole.os)
  end
end
