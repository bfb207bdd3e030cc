-- The functions of `string` that could run for long. Called once with the native ones; what those begin
-- with false is an error.
local native = ...
local find, match, gmatch, gsub, next_match, check =
  native.find, native.match, native.gmatch, native.gsub, native.next, native.check
local error, type, concat, pack, unpack = error, type, table.concat, table.pack, table.unpack
local gsub_of_lua, rep, format = string.gsub, string.rep, string.format

-- Called last, so that the caller's caller is the script.
local function finish(first, ...)
  if first == false then error((...), 2) end
  return first, ...
end

function string.find(...) return finish(find(...)) end
function string.match(...) return finish(match(...)) end

function string.gmatch(...)
  local subject, pattern, from = gmatch(...)
  if subject == false then error(pattern, 2) end
  local last
  local function go_on(start, stop, ...)
    if start == false then error(stop, 2) end
    if not start then
      from = #subject + 1
      return
    end
    from, last = stop, stop
    return ...
  end
  return function() return go_on(next_match(subject, pattern, from, last, false)) end
end

-- As Lua's `gsub` calls what it is given: from C, so that it cannot wait.
local function call(f, ...)
  local arguments, result = pack(...), nil
  gsub_of_lua("", "", function() result = f(unpack(arguments, 1, arguments.n)) end, 1)
  return result
end

local function replaced(with, calls, start, stop, ...)
  if not start then return start, stop end
  if calls then return start, stop, call(with, ...) end
  return start, stop, with[(...)]
end

function string.gsub(...)
  local done, subject, pattern, max = gsub(...)
  if done == false then error(subject, 2) end
  if done then return done, subject end
  local _, _, with = ...
  local pieces, count, copied, last = {}, 0, 0, nil
  local anchored, calls = pattern:byte() == 94, type(with) == "function"
  while count < max do
    local start, stop, result =
      replaced(with, calls, next_match(subject, pattern, last or 0, last, true, not calls))
    if start == false then error(stop, 2) end
    if not start then break end
    count = count + 1
    if result then
      local kind = type(result)
      if kind ~= "string" and kind ~= "number" then
        error(format("invalid replacement value (a %s)", kind), 2)
      end
      pieces[#pieces + 1] = subject:sub(copied + 1, start)
      pieces[#pieces + 1] = result
      copied = stop
    end
    last = stop
    if anchored then break end
  end
  if copied == 0 and #pieces == 0 then return subject, count end
  pieces[#pieces + 1] = subject:sub(copied + 1)
  return concat(pieces), count
end

-- Nothing, many times, would take Lua's own as long as something; and whoever makes much looks at the clock.
function string.rep(...)
  local s, n, separator = ...
  if type(n) == "number" and type(s) == "string" then
    if s == "" and (separator or "") == "" then return rep("", 1) end
    if n * #s > 65536 then check() end
  end
  return rep(...)
end
