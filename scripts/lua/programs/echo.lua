-- Sends back what comes (RFC 862), byte for byte, until the other side ends.
--   ncat -l -k --lua-exec echo.lua 7

local input, output = io.stdin, io.stdout
output:setvbuf("no")
while true do
  -- One byte waits for more to come; read(n) alone would wait for all n.
  local data = input:read(1)
  if not data then break end
  if not output:write(data) then break end
end
