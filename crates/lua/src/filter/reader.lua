-- `ncat.reader(sock)`: whole units out of pieces. Scripts never see this chunk's locals.
local native = ...
local setmetatable, type, error, format = setmetatable, type, error, string.format
local integer = math.tointeger
local take, some, peek, fill, unread = native.buffer_take, native.buffer_some, native.buffer_peek,
  native.buffer_fill, native.buffer_unread
local upto, line, len, is_full = native.buffer_upto, native.buffer_line, native.buffer_len,
  native.buffer_is_full

-- A reader is its buffer and the socket below.
local BUFFER, SOCK = 1, 2
local reader = {}
local READER = {__index = reader, __metatable = false, __name = "reader"}

-- Has one more piece come. `wanted`: how many bytes must fit in.
local function more(self, wanted)
  local buffer, sock = self[BUFFER], self[SOCK]
  if is_full(buffer, wanted) then return nil, "LIMIT", "the buffer is full" end
  local data, code, detail
  repeat data, code, detail = sock:recv() until data ~= ""
  if data == nil or data == false then return nil, code or "EOF", detail end
  if type(data) ~= "string" then
    error(format("recv returned a %s, expected a string or nil", type(data)), 0)
  end
  fill(buffer, data)
  return true
end

-- Together with a failure goes what had come; somebody else's turn to read takes nothing away.
local function failed(self, code, detail)
  return nil, code, detail, code == "BUSY" and "" or take(self[BUFFER])
end

local function count(what, n)
  local number = integer(n)
  if not number or number < 0 then error(format("%s was given a number that is no count", what), 3) end
  return number
end

local function delimiter(what, plain)
  if type(plain) ~= "string" or plain == "" then
    error(format("%s was given no delimiter", what), 3)
  end
  return plain
end

function reader:exact(n)
  n = count("exact", n)
  local buffer = self[BUFFER]
  local data = take(buffer, n)
  while not data do
    local ok, code, detail = more(self, n)
    if not ok then return failed(self, code, detail) end
    data = take(buffer, n)
  end
  return data
end

function reader:upto(plain, keep)
  plain, keep = delimiter("upto", plain), keep and true or false
  local buffer = self[BUFFER]
  local data = upto(buffer, plain, keep)
  while not data do
    local ok, code, detail = more(self)
    if not ok then return failed(self, code, detail) end
    data = upto(buffer, plain, keep)
  end
  return data
end

function reader:line(eol)
  local buffer = self[BUFFER]
  if eol == nil then
    local data = line(buffer)
    if data then return data end
    eol = "\n"
  end
  local data, code, detail, partial = self:upto(delimiter("line", eol))
  if data then return data end
  if code == "EOF" and partial ~= "" then return partial end
  return nil, code, detail, partial
end

function reader:some(max)
  max = max and count("some", max) or math.maxinteger
  local buffer = self[BUFFER]
  if len(buffer) == 0 then
    local ok, code, detail = more(self)
    if not ok then return failed(self, code, detail) end
  end
  return some(buffer, max)
end

-- Nothing is taken, also not by a failure.
function reader:peek(n)
  n = count("peek", n)
  local buffer = self[BUFFER]
  local data = peek(buffer, n)
  while not data do
    local ok, code, detail = more(self, n)
    if not ok then return nil, code, detail, peek(buffer) end
    data = peek(buffer, n)
  end
  return data
end

function reader:unread(data)
  if not unread(self[BUFFER], data) then return nil, "LIMIT", "the buffer is full" end
  return true
end

function reader:buffered() return len(self[BUFFER]) end

return {
  new = function(sock)
    local kind = type(sock)
    if kind ~= "table" and kind ~= "userdata" then
      error(format("reader was given a %s, expected an object with recv", kind), 2)
    end
    return setmetatable({native.buffer(), sock}, READER)
  end,
  methods = reader,
  -- For whoever reads through a reader in another way.
  more = more,
  buffer = function(self) return self[BUFFER] end,
}
