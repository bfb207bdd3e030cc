-- ROT13 both ways.
return {
  about = "ROT13 in both directions",
  recv = function(self, max)
    local data, err, why = self.super:recv(max)
    if not data then return data, err, why end
    return bytes.rot13(data)
  end,
  send = function(self, data) return self.super:send(bytes.rot13(data)) end,
  tests = {{send = "HELLO\n", wire = "URYYB\n", chunks = "any"}, {recv = "URYYB", deliver = "HELLO", chunks = "any"}},
}
