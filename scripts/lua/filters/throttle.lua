-- A token bucket for each direction of each connection: `burst` bytes at once, then `rate` in a second.
local function bucket()
  return {tokens = args.burst, at = ncat.now()}
end

-- Waits until some of `wanted` bytes may go; how many.
local function allowed(bucket, wanted, whole)
  local aim = math.min(wanted, args.burst)
  while true do
    local now = ncat.now()
    bucket.tokens = math.min(args.burst, bucket.tokens + (now - bucket.at) * args.rate)
    bucket.at = now
    -- Of sums of fractions a last bit may be missing.
    local tokens = math.floor(bucket.tokens + 1e-6)
    if tokens >= aim or (not whole and tokens >= 1 and tokens >= args.burst // 2) then
      local go = whole and wanted or math.min(wanted, tokens)
      bucket.tokens = bucket.tokens - go
      return go
    end
    ncat.sleep((aim - bucket.tokens) / args.rate)
  end
end

return {
  about = "no faster than a rate",
  options = {
    rate = {type = "size", required = true, help = "bytes in a second"},
    burst = {type = "size", default = "16k", help = "bytes that may go at once"},
    dir = {type = {"in", "out", "both"}, default = "both", help = "which direction"},
  },
  connect = function(self, ...)
    if args.rate < 1 or args.burst < 1 then return nil, "ERROR", "rate and burst must be at least 1" end
    return self.super:connect(...)
  end,
  accept = function(self)
    if args.rate < 1 or args.burst < 1 then return nil, "ERROR", "rate and burst must be at least 1" end
    return self.super:accept()
  end,
  init = function(self) self.rest = "" end,
  recv = function(self, max)
    if args.dir == "out" then return self.super:recv(max) end
    self.inwards = self.inwards or bucket()
    local data = self.rest
    while data == "" do
      local err, why
      data, err, why = self.super:recv(max)
      if not data then return data, err, why end
      if self.conn.datagram then
        allowed(self.inwards, #data, true)
        return data
      end
    end
    local go = allowed(self.inwards, #data)
    self.rest = data:sub(go + 1)
    return data:sub(1, go)
  end,
  send = function(self, data)
    if args.dir == "in" then return self.super:send(data) end
    self.outwards = self.outwards or bucket()
    if self.conn.datagram then
      allowed(self.outwards, #data, true)
      return self.super:send(data)
    end
    local from = 1
    while from <= #data do
      local go = allowed(self.outwards, #data - from + 1)
      local ok, err, why = self.super:send(data:sub(from, from + go - 1))
      if not ok and err then return ok, err, why end
      from = from + go
    end
    return true
  end,
  tests = {
    {
      args = {rate = "1k", burst = "1k"}, send = ("x"):rep(3072), wire = ("x"):rep(3072),
      timeline = {{0, 1024}, {0.999, 1024}, {1, 2048}, {1.999, 2048}, {2, 3072}},
    },
    {args = {rate = "1G"}, recv = ("y"):rep(100), deliver = ("y"):rep(100), chunks = "any"},
    {args = {rate = "1k", burst = "1", dir = "in"}, send = ("x"):rep(3072), wire = {("x"):rep(3072)}},
    {args = {rate = "0"}, send = "x", error = "rate and burst must be at least 1"},
  },
}
