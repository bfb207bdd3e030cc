-- A web server for the files below the current directory: GET and HEAD, parts of files (Range), lists of
-- directories, several requests on a connection.
--   ncat -l -k --lua-exec httpd.lua 8080

local BLOCK = 64 * 1024
local LINE_MAX, LINES_MAX = 8192, 100
local WINDOWS = package.config:sub(1, 1) == "\\"

local TYPES = {
  html = "text/html; charset=utf-8", htm = "text/html; charset=utf-8", css = "text/css",
  js = "text/javascript", mjs = "text/javascript", json = "application/json", xml = "application/xml",
  txt = "text/plain; charset=utf-8", md = "text/plain; charset=utf-8", lua = "text/plain; charset=utf-8",
  csv = "text/csv", png = "image/png", jpg = "image/jpeg", jpeg = "image/jpeg", gif = "image/gif",
  svg = "image/svg+xml", webp = "image/webp", ico = "image/x-icon", pdf = "application/pdf",
  zip = "application/zip", gz = "application/gzip", mp3 = "audio/mpeg", mp4 = "video/mp4",
  webm = "video/webm", woff2 = "font/woff2", wasm = "application/wasm",
}

local WORDS = {
  [200] = "OK", [206] = "Partial Content", [301] = "Moved Permanently", [400] = "Bad Request",
  [403] = "Forbidden", [404] = "Not Found", [405] = "Method Not Allowed", [414] = "URI Too Long",
  [416] = "Range Not Satisfiable", [431] = "Request Header Fields Too Large",
  [505] = "HTTP Version Not Supported",
}

-- The rest of the connection's life, decided request by request.
local keeps_open = true

local function head(status, fields)
  io.write("HTTP/1.1 ", status, " ", WORDS[status], "\r\n")
  io.write("Date: ", os.date("!%a, %d %b %Y %H:%M:%S GMT"), "\r\nServer: ncat httpd.lua\r\n")
  for _, field in ipairs(fields) do io.write(field[1], ": ", field[2], "\r\n") end
  io.write("Connection: ", keeps_open and "keep-alive" or "close", "\r\n\r\n")
end

local function page(request, status, title, body, ...)
  local text = ("<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>%s</title>\n<h1>%s</h1>\n%s\n")
    :format(title, title, body or "")
  head(status, {
    {"Content-Type", "text/html; charset=utf-8"}, {"Content-Length", #text},
    {"X-Content-Type-Options", "nosniff"}, ...,
  })
  if request.method ~= "HEAD" then io.write(text) end
end

local function fail(request, status, ...)
  -- What follows a request that was not understood cannot be told from its rest.
  if status == 400 or status == 414 or status == 431 or status == 505 then keeps_open = false end
  page(request, status, status .. " " .. WORDS[status], nil, ...)
end

local function html(text)
  return (text:gsub("[&<>\"']", function(char) return ("&#%d;"):format(char:byte()) end))
end

local function url(text)
  return (text:gsub("[^%w%-._~]", function(char) return ("%%%02X"):format(char:byte()) end))
end

-- One line without its end; nil at the end of input, false when it is too long.
local function line()
  local bytes = {}
  while #bytes < LINE_MAX do
    local byte = io.read(1)
    if not byte then return nil end
    if byte == "\n" then
      if bytes[#bytes] == "\r" then bytes[#bytes] = nil end
      return table.concat(bytes)
    end
    bytes[#bytes + 1] = byte
  end
  return false
end

-- The next request; nil at the end, and a status when it is none.
local function read_request()
  local request = {method = "GET", fields = {}}
  local first = line()
  if first == "" then first = line() end
  if first == nil then return nil end
  if not first then return request, 414 end
  local method, target, version = first:match("^(%u+) (%S+) HTTP/(%d%.%d)$")
  if not method then return request, 400 end
  request.method, request.target = method, target
  local count = 0
  while true do
    local field = line()
    if field == nil then return nil end
    if field == "" then break end
    count = count + 1
    if not field or count > LINES_MAX then return request, 431 end
    local name, value = field:match("^([%w%-_]+):%s*(.-)%s*$")
    if not name then return request, 400 end
    request.fields[name:lower()] = value
  end
  if not version:find("^1%.") then return request, 505 end
  local wish = (request.fields.connection or ""):lower()
  keeps_open = version ~= "1.0" and not wish:find("close", 1, true)
  if request.fields["content-length"] or request.fields["transfer-encoding"] then
    -- Nothing here takes a body, and nobody reads over it.
    keeps_open = false
  end
  return request
end

-- The path below the current directory; nil when it is not below it.
local function below(target)
  local path = target:gsub("^%a+://[^/]*", ""):gsub("[?#].*$", "")
  if path:find("%%%X") or path:find("%%.?$") or path:find("%%%x%X") then return nil end
  path = path:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)
  if path:sub(1, 1) ~= "/" or path:find("[%c\\]") then return nil end
  if WINDOWS and path:find("[:<>\"|?*]") then return nil end
  for part in path:gmatch("[^/]+") do
    if part == ".." or part == "." then return nil end
  end
  return "." .. path:gsub("//+", "/")
end

-- An open file; or "directory", or nil when there is nothing to be read.
local function open(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  -- A directory can be opened here and there, but not read; only its name and a slash will do then.
  local _, _, code = file:read(0)
  if code == 21 then
    file:close()
    return "directory"
  end
  local size = file:seek("end")
  -- What has no size (a device, a pipe) is no file to serve.
  if not size or size < 0 or size >= math.maxinteger or not file:seek("set") then
    file:close()
    return nil
  end
  return file, size
end

local function names(path)
  local command
  if WINDOWS then
    command = ('dir /b "%s" 2>nul'):format(path:gsub("/", "\\"))
  else
    command = ("LC_ALL=C ls -1p -- '%s' 2>/dev/null"):format(path:gsub("'", "'\\''"))
  end
  local list = {}
  local pipe = io.popen(command)
  for name in pipe:lines() do list[#list + 1] = name end
  pipe:close()
  return list
end

local function list(request, path)
  local items = {}
  if path ~= "./" then items[1] = '<li><a href="../">../</a>' end
  for _, name in ipairs(names(path)) do
    local slash = name:sub(-1) == "/" and "/" or ""
    local plain = slash == "/" and name:sub(1, -2) or name
    items[#items + 1] = ('<li><a href="./%s%s">%s</a>'):format(url(plain), slash, html(name))
  end
  local body = "<ul>\n" .. table.concat(items, "\n") .. "\n</ul>"
  page(request, 200, "Index of " .. html(path:sub(2)), body)
end

-- First and last byte wanted; nil when the whole file is; false when there are no such bytes.
local function range(request, size)
  local from, to = (request.fields.range or ""):match("^bytes=(%d*)%-(%d*)$")
  if not from or from .. to == "" then return nil end
  from, to = math.tointeger(tonumber(from)), math.tointeger(tonumber(to))
  if not from and not to then return nil end
  if not from then
    if to == 0 then return false end
    return math.max(size - to, 0), size - 1
  end
  if from >= size then return false end
  to = math.min(to or size - 1, size - 1)
  if to < from then return nil end
  return from, to
end

local function send(request, path, file, size)
  local fields = {
    {"Content-Type", TYPES[(path:match("%.(%w+)$") or ""):lower()] or "application/octet-stream"},
    {"Accept-Ranges", "bytes"}, {"X-Content-Type-Options", "nosniff"},
  }
  local from, to = range(request, size)
  if from == false then return fail(request, 416, {"Content-Range", "bytes */" .. size}) end
  local left = size
  if from then
    left = to - from + 1
    fields[#fields + 1] = {"Content-Range", ("bytes %d-%d/%d"):format(from, to, size)}
  end
  fields[#fields + 1] = {"Content-Length", left}
  head(from and 206 or 200, fields)
  if request.method == "HEAD" then return end
  file:seek("set", from or 0)
  while left > 0 do
    local data = file:read(math.min(left, BLOCK))
    -- The file has become shorter: the length that was promised cannot be kept.
    if not data then os.exit(1) end
    if not io.write(data) then os.exit(1) end
    left = left - #data
  end
end

local function serve(request)
  if request.method ~= "GET" and request.method ~= "HEAD" then
    return fail(request, 405, {"Allow", "GET, HEAD"})
  end
  local path = below(request.target)
  if not path then return fail(request, 403) end
  local is_directory = path:sub(-1) == "/"
  if is_directory then
    if open(path) ~= "directory" and not WINDOWS then return fail(request, 404) end
    local index, length = open(path .. "index.html")
    if not index then return list(request, path) end
    if index == "directory" then return fail(request, 404) end
    send(request, "index.html", index, length)
    return index:close()
  end
  local file, size = open(path)
  if file == "directory" then
    local target = path:sub(2):gsub("[^/]+", url) .. "/"
    return page(request, 301, "301 Moved Permanently", nil, {"Location", target})
  end
  if not file then return fail(request, 404) end
  send(request, path, file, size)
  file:close()
end

while keeps_open do
  local request, status = read_request()
  if not request then break end
  if status then fail(request, status) else serve(request) end
  io.flush()
end
