-- The reads that NSE has, for whatever is read through a reader: readers themselves, outgoing sockets.
-- Seen from outside (nmap 7.93): `true, data` or `nil, CODE`; what has come before the end or a timeout is
-- given by receive_bytes and receive_lines, and kept by receive_buf.
--
-- Ours on purpose: receive, receive_bytes and receive_lines also give what receive_buf has left over.
local native, reader = ...
local type, error, find = type, error, string.find
local more, buffer_of = reader.more, reader.buffer
local take, peek, upto, len, lines = native.buffer_take, native.buffer_peek, native.buffer_upto,
  native.buffer_len, native.buffer_lines

-- All that has come, once `is_enough` says so; `nothing more` is enough where there is something.
local function all(self, is_enough)
  local buffer = buffer_of(self)
  while not is_enough(buffer) do
    local ok, code = more(self)
    if not ok then
      if (code == "EOF" or code == "TIMEOUT") and len(buffer) > 0 then break end
      return nil, code
    end
  end
  return true, take(buffer)
end

-- Adds the methods to `methods`; `reader_of(object)` is the reader through which an object is read.
return function(methods, reader_of)
  function methods:receive()
    return all(reader_of(self), function(buffer) return len(buffer) > 0 end)
  end

  function methods:receive_bytes(n)
    if n < 1 then n = 1 end
    return all(reader_of(self), function(buffer) return len(buffer) >= n end)
  end

  function methods:receive_lines(n)
    if n < 1 then n = 1 end
    return all(reader_of(self), function(buffer) return lines(buffer) >= n end)
  end

  -- `delimiter`: a pattern of Lua's, or a function that gives where it begins and ends.
  function methods:receive_buf(delimiter, keep)
    local from = reader_of(self)
    local buffer = buffer_of(from)
    local kind = type(delimiter)
    if kind ~= "string" and kind ~= "function" or delimiter == "" then
      error("receive_buf was given no delimiter", 2)
    end
    -- One without magic is found without looking at anything twice.
    local is_plain = kind == "string" and not find(delimiter, "[%^%$%(%)%%%.%[%]%*%+%-%?]")
    while true do
      if is_plain then
        local data = upto(buffer, delimiter, keep and true or false)
        if data then return true, data end
      elseif len(buffer) > 0 then
        local text = peek(buffer)
        local first, last
        if kind == "string" then first, last = find(text, delimiter)
        else first, last = delimiter(text) end
        if first then
          take(buffer, last)
          return true, text:sub(1, keep and last or first - 1)
        end
      end
      local ok, code = more(from)
      if not ok then return nil, code end
    end
  end
end
