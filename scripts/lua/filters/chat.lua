-- A chat room for a listener with -k: what one client says goes to all others and to the terminal.
return {
  about = "chat room for -l -k",
  needs = {"shared"},
  options = {
    nick = {type = {"id", "prompt"}, default = "id", help = "prompt: ask each client for its name"},
    echo = {type = "bool", default = "false", help = "a client hears itself"},
  },
  accept = function(self)
    local ok, err, why = self.super:accept()
    if not ok then return ok, err, why end
    self.nick, self.rest = tostring(self.id), ""
    if args.nick ~= "prompt" then return true end
    self.super:send("Your name: ")
    local text = ""
    while not text:find("\n", 1, true) do
      if #text > 256 then return nil, "ERROR", "a name is too long" end
      local data, code, detail = self.super:recv()
      if not data then return nil, code or "EOF", detail end
      text = text .. data
    end
    local name, rest = text:match("^([^\n]*)\n(.*)$")
    name = name:gsub("[^%w_-]", "")
    if name ~= "" then self.nick = name:sub(1, 32) end
    self.rest = rest
    return true
  end,
  recv = function(self)
    local data, err, why = self.rest, nil, nil
    self.rest = nil
    if not data or data == "" then data, err, why = self.super:recv() end
    if not data then return data, err, why end
    local text = ("<%s> %s"):format(self.nick or self.id, data)
    connections.broadcast(text, not args.echo and self or nil)
    return text
  end,
  tests = {
    {recv = "hi\n", deliver = "<1> hi\n", wire = "", others = "<1> hi\n"},
    {args = {echo = "yes"}, recv = "hi\n", deliver = "<1> hi\n", wire = "<1> hi\n", others = "<1> hi\n"},
  },
}
