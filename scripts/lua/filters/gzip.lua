-- gzip (RFC 1952) on the wire. Each send is flushed, so that whoever types is understood at once. What comes
-- may not expand without end: see `max` and `ratio`.
local SLICE = 8 * 1024

return {
  about = "gzip (RFC 1952) on the wire",
  modes = {datagram = false},
  options = {
    level = {type = {"1", "2", "3", "4", "5", "6", "7", "8", "9"}, default = "6", help = "how hard to try"},
    max = {type = "size", default = "1G", help = "bytes that may come in all, decoded; 0: any"},
    ratio = {type = "int", default = "1024", help = "bytes that one may become, beside 1 MiB; 0: any"},
  },
  init = function(self)
    self.coded, self.at = "", 1
    self.decoder = codec.gunzip{max = args.max, ratio = args.ratio}
  end,
  recv = function(self)
    -- Without a ratio little goes in at once, for what comes out is one string.
    local slice = args.ratio == 0 and 256 or SLICE
    while true do
      if self.at > #self.coded then
        if self.done then return nil, "EOF" end
        local data, err, why = self.super:recv()
        if not data then
          if err and err ~= "EOF" then return data, err, why end
          self.done = true
          local rest, code, detail = self.decoder:finish()
          if not rest then return nil, code, detail end
          if rest ~= "" then return rest end
          data = ""
        end
        self.coded, self.at = data, 1
      else
        local piece = self.coded:sub(self.at, self.at + slice - 1)
        self.at = self.at + #piece
        local data, code, detail = self.decoder:update(piece)
        if not data then return nil, code, detail end
        if data ~= "" then return data end
      end
    end
  end,
  send = function(self, data)
    self.encoder = self.encoder or codec.gzip{level = tonumber(args.level)}
    return self.super:send(self.encoder:update(data) .. self.encoder:flush())
  end,
  shutdown = function(self)
    self.encoder = self.encoder or codec.gzip{level = tonumber(args.level)}
    local ok, err, why = self.super:send(self.encoder:finish())
    if not ok and err then return ok, err, why end
    return self.super:shutdown()
  end,
  tests = {
    {
      recv = "\x1f\x8b\x08\0\0\0\0\0\0\xff\x01\x06\0\xf9\xffHELLO\n\x6e\xd7\xac\xfd\x06\0\0\0",
      deliver = "HELLO\n", chunks = "any",
    },
    {
      send = {"HELLO\n", "again"}, shutdown = true,
      wire = function(wire)
        return wire:sub(1, 3) == "\x1f\x8b\x08" and codec.gunzip():update(wire) == "HELLO\nagain"
      end,
    },
    -- What was sent so far can be read before the end.
    {send = "HELLO\n", wire = function(wire) return codec.gunzip():update(wire) == "HELLO\n" end},
    {recv = "", deliver = ""},
    {
      recv = "\x1f\x8b\x08\0\0\0\0\0\0\xff\x01\x06\0\xf9\xffHELLO\n\x6e\xd7\xac\xfd\x06\0\0\0" .. "\x1f\x8b\x08",
      deliver = "HELLO\n", error = "truncated or damaged compressed input",
    },
    {args = {max = "3"}, recv = "\x1f\x8b\x08\0\0\0\0\0\0\xff\x01\x06\0\xf9\xffHELLO\n\x6e\xd7\xac\xfd\x06\0\0\0",
      error = "what comes expands to more than is allowed"},
  },
}
