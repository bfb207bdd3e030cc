-- A menu: asks, and acts on the answer, until the answer is to stop.
--   ncat -l -k --lua-exec conditional.lua 8000

local choices = {}
choices["1"] = {"Tell the time", function() print("It is " .. os.date("!%H:%M:%S") .. " UTC.") end}
choices["2"] = {"Add two numbers", function()
  io.write("First number: ")
  local a = tonumber(io.read() or "")
  io.write("Second number: ")
  local b = tonumber(io.read() or "")
  if a and b then print("The sum is " .. a + b .. ".") else print("That is no number.") end
end}
choices["3"] = {"Tell where you are", function()
  print("You are " .. (os.getenv("NCAT_REMOTE_ADDR") or "nowhere") .. ".")
end}
choices["q"] = {"Quit"}

while true do
  for _, key in ipairs {"1", "2", "3", "q"} do print(key .. "  " .. choices[key][1]) end
  io.write("Your choice: ")
  local line = io.read()
  if not line then break end
  -- A peer that is a terminal ends lines as networks do.
  local key = line:gsub("%s+$", "")
  if key == "q" then
    print("Good bye.")
    break
  end
  local choice = choices[key]
  if choice then choice[2]() else print(("There is no choice %q."):format(key)) end
end
