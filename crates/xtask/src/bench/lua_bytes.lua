-- GB/s of native functions on strings of 64 KiB, the result string included: the best of some batches.
local size = 65536
local letters = {}
for i = 1, size do letters[i] = string.char((i * 7919 + i // 256) % 256) end
local data = table.concat(letters)
local map = ""
for i = 0, 255 do map = map .. string.char(255 - i) end
local hex, base64 = bytes.hex(data), bytes.base64(data)

local function rate(f, ...)
  local best = 0
  for _ = 1, 7 do
    local began, count = os.clock(), 0
    repeat
      for _ = 1, 50 do f(...) end
      count = count + 50
    until os.clock() - began > 0.03
    best = math.max(best, count * #(...) / (os.clock() - began) / 1e9)
  end
  return best
end

for _, case in ipairs {
  {"copy", function(s) return s .. "." end, data},
  {"xor", bytes.xor, data, "secret"}, {"rot13", bytes.rot13, data}, {"hex", bytes.hex, data},
  {"unhex", bytes.unhex, hex}, {"base64", bytes.base64, data}, {"unbase64", bytes.unbase64, base64},
  {"translate", bytes.translate, data, map}, {"replace", bytes.replace, data, "not there", "x"},
} do
  print(("%s %.3f"):format(case[1], rate(table.unpack(case, 2))))
end
return {}
