-- Cases by hand, each given to Lua's own function and to ours. How many there were, and what differs.
local count, differences = 0, {}
local function case(...)
  count = count + 1
  differences[#differences + 1] = compare(...)
end

local subjects = {
  "", "a", "hello world", "  trim me  ", "key = value", "(a(b)c)(d", "THE (quick) fox", "x.y.z",
  "2026-11-24", "\0\1\0", "aaa", "a\nb\r\n", "%d%%", "[x]", "-- c\n", "\xff\xfe", "axbxc",
}
local patterns = {
  "", "a", ".", "%a+", "^%s*(.-)%s*$", "(%w+)%s*=%s*(%w+)", "%b()", "%f[%a]%a+%f[%A]", "()", "()a()",
  "(.)(.)", "%.", "[^%.]+", "(%d+)-(%d+)-(%d+)", "%d", "%D", "%c", "%C", "%x+", "%p", "%P+", "%u+", "%U",
  "%g+", "%G", "%l*", "%L", "%z", "%Z", "[%z]", "a*", "a-", "a?", "a-b", "a*$", "^", "$", "^$", "a$b",
  "[]]", "[^]]", "[]-a]", "[a-]", "[a-%%]", "[%a-z]", "[+-.]", "[a%-c]", "[^a-c]+", "(a*(.)%w(%s*))",
  "((a)(b))", "(a)%1", "%1", "(%1)", "%0", "(a)%2", "x%", "[a", "[", "[^", "[^]", "[%", "[%]", "%",
  "%b", "%bx", "%f", "%fa", "%f[", "%f[a", "(", ")", "(()", "())", "a)", "(a", "(a))", "z[", "za)",
  "*", "+", "?", "-", "**", "a**", "a+*", "^^a", "%^", "%$", "$a", "a^", "(^a)", "([^%s]+)%s*([^%s]*)",
  ("(a)"):rep(32), ("(a?)"):rep(33), ("()"):rep(33), ("a?"):rep(199), ("a?"):rep(205), ("(a"):rep(33),
}
for _, subject in ipairs(subjects) do
  for _, pattern in ipairs(patterns) do
    case("find", subject, pattern)
    case("match", subject, pattern)
    case("gmatch", subject, pattern)
    case("gsub", subject, pattern, "<%0>")
    case("gsub", subject, pattern, "%1%%", 2)
  end
end

-- Deep patterns where they are deep: as many `?` as letters.
for n = 190, 210 do
  case("find", ("a"):rep(n), ("a?"):rep(n))
  case("find", ("a"):rep(n), ("a?"):rep(n) .. "b*")
  case("find", ("a"):rep(n + 1), ("a?"):rep(n) .. "a*")
  case("find", ("a"):rep(n), ("a-"):rep(n))
end

-- Where to begin, and plainly.
for _, init in ipairs {-100, -3, -1, 0, 1, 2, 3, 4, 100, math.maxinteger, math.mininteger, 2.0, "2", "0x2"} do
  for _, pattern in ipairs {"", "b", ".", "^b", "()", "%w", "$"} do
    case("find", "abc", pattern, init)
    case("find", "abc", pattern, init, true)
    case("match", "abc", pattern, init)
    case("gmatch", "abc", pattern, init)
  end
end
for _, pattern in ipairs {"", "%", "a.b", "[", "b", "\0", "%d"} do
  for _, plain in ipairs {true, false, 1, "x"} do
    case("find", "a.b%[\0%d", pattern, 1, plain)
  end
end

-- Values of every sort where strings and numbers are wanted.
local values = {1, -7, 2.5, 1e300, "x", "1", "1.5", true, {}, print, false}
local named = setmetatable({}, {__name = "my type"})
for i = 1, #values + 1 do
  local value = values[i]
  if i > #values then value = named end
  for _, name in ipairs {"find", "match", "gmatch"} do
    case(name, value, "%d")
    case(name, "x1y2", value)
    case(name, "x1y2", "%d", value)
  end
  case("gsub", value, "%d", "n")
  case("gsub", "x1y2", value, "n")
  if type(value) ~= "function" then case("gsub", "x1y2", "%d", value) end
  case("gsub", "x1y2", "%d", "n", value)
  case("rep", value, 2)
  case("rep", "ab", value)
  case("rep", "ab", 2, value)
end
for _, name in ipairs {"find", "match", "gmatch", "gsub", "rep"} do
  case(name)
  case(name, "a")
  case(name, nil, "a")
  case(name, "a", nil)
end
case("gsub", "a", "a")
case("gsub", "a", "a", nil)
case("rep", "", 1 << 20)
case("rep", "", 3, ",")
case("rep", "x", -1)
case("rep", "x", 1 << 62)
case("rep", "xy", 3, "")

-- What replaces.
local results = {"s", 5, 2.5, true, {}, print}
for _, subject in ipairs(subjects) do
  for _, pattern in ipairs {"", "%w", "(%w)(%w?)", "()", "^.", "%w*", "x"} do
    for _, with in ipairs {"", "%1", "%2", "%0%0", "%", "%x", "%9", "a%%b", "%1%"} do
      case("gsub", subject, pattern, with)
    end
    case("gsub", subject, pattern, {a = "A", e = 1, o = false, [1] = "at one"})
    case("gsub", subject, pattern, setmetatable({}, {__index = function(_, key) return key .. "!" end}))
    case("gsub", subject, pattern, function(...) return select("#", ...) end)
    case("gsub", subject, pattern, function() return nil end)
    case("gsub", subject, pattern, function() return false end, 1)
    case("gsub", subject, pattern, "x", 0)
    case("gsub", subject, pattern, "x", -1)
    for _, result in ipairs(results) do
      if type(result) ~= "table" and type(result) ~= "function" then
        case("gsub", subject, pattern, function() return result end)
      else
        case("gsub", subject, pattern, function() return (tostring(result):match "^%a+" and result) end)
      end
    end
  end
end
-- An error of the script's own comes through as it is, and so does waiting where it cannot be.
local thrown = {}
local function throws() error(thrown) end
local function waits() coroutine.yield() end
for name, f in pairs {throws = throws, waits = waits} do
  local outcome = {}
  for at, library in ipairs {own, string} do
    local co = coroutine.create(function() return library.gsub("abc", "b", f) end)
    outcome[at] = table.pack(coroutine.resume(co))
  end
  count = count + 1
  local same = outcome[1][1] == outcome[2][1] and outcome[1][2] == outcome[2][2]
  if not same then
    differences[#differences + 1] = name .. ": " .. tostring(outcome[1][2]) .. " / " .. tostring(outcome[2][2])
  end
end
return count, differences
