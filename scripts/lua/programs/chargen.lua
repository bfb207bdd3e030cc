-- Lines of 72 printable characters, each beginning one further (RFC 864), until nobody listens.
--   ncat -l -k --lua-exec chargen.lua 19

local first, last, width = 32, 126, 72
local ring = {}
for code = first, last do ring[#ring + 1] = string.char(code) end
local count = #ring
local text = table.concat(ring):rep(2)
local lines = {}
for start = 1, count do lines[start] = text:sub(start, start + width - 1) .. "\r\n" end
local block = table.concat(lines)

while io.write(block) do end
