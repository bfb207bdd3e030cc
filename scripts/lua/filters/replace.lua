-- Plain search and replace, over the borders of pieces too.
local function prefix_at_end(text, find)
  -- The longest end of the text with which `find` begins.
  for length = math.min(#find - 1, #text), 1, -1 do
    if text:sub(-length) == find:sub(1, length) then return length end
  end
  return 0
end

-- What may go on, and what is held back.
local function pass(text)
  local from, out = 1, {}
  while true do
    local first, last = text:find(args.find, from, true)
    if not first then break end
    out[#out + 1] = text:sub(from, first - 1)
    out[#out + 1] = args.with
    from = last + 1
  end
  local rest = text:sub(from)
  local held = prefix_at_end(rest, args.find)
  out[#out + 1] = rest:sub(1, #rest - held)
  return table.concat(out), rest:sub(#rest - held + 1)
end

return {
  about = "search and replace",
  modes = {datagram = false},
  options = {
    find = {type = "string", required = true, help = "what to look for"},
    with = {type = "string", default = "", help = "what to put in its place"},
    dir = {type = {"in", "out", "both"}, default = "both", help = "in which direction"},
  },
  init = function(self) self.held_in, self.held_out = "", "" end,
  recv = function(self)
    if args.dir == "out" or args.find == "" then return self.super:recv() end
    while true do
      local data, err, why = self.super:recv()
      if not data then
        local last = self.held_in
        if last == "" then return data, err, why end
        self.held_in = ""
        return last
      end
      data, self.held_in = pass(self.held_in .. data)
      if data ~= "" then return data end
    end
  end,
  send = function(self, data)
    if args.dir == "in" or args.find == "" then return self.super:send(data) end
    data, self.held_out = pass(self.held_out .. data)
    if data ~= "" then return self.super:send(data) end
  end,
  shutdown = function(self)
    local last = self.held_out
    self.held_out = ""
    if last ~= "" then
      local ok, err, why = self.super:send(last)
      if not ok and err then return ok, err, why end
    end
    return self.super:shutdown()
  end,
  tests = {
    {args = {find = "foo", with = "bar"}, recv = {"xfo", "oy"}, deliver = "xbary", chunks = "any"},
    {args = {find = "foo", with = "bar"}, recv = "xfo", deliver = "xfo", chunks = "any"},
    {args = {find = "foo", with = "bar"}, send = "xfoofo", shutdown = true, wire = "xbarfo", chunks = "any"},
    {args = {find = "aab", with = "-"}, recv = "aaab", deliver = "a-", chunks = "any"},
    {args = {find = "foo", with = "bar", dir = "in"}, send = "foo", wire = "foo"},
  },
}
