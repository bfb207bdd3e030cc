-- Waiting on purpose: pauses, tasks, time limits, queues. Scripts never see this chunk's locals.
local native, kit = ...
local PENDING = kit.PENDING
local setmetatable, type, error, format = setmetatable, type, error, string.format
local pack, unpack, remove = table.pack, table.unpack, table.remove
local yield, resume, create, status = coroutine.yield, coroutine.resume, coroutine.create, coroutine.status
local close_coroutine = coroutine.close

local waiting = {}

-- Ends a coroutine that is left suspended when whoever resumes it ends.
local INNER = {__close = function(inner)
  if inner[1] and status(inner[1]) == "suspended" then close_coroutine(inner[1]) end
end}
function waiting.guard(co) return setmetatable({co}, INNER) end

function waiting.sleep(seconds)
  local alarm = native.alarm("sleep", seconds)
  -- Also a pause of no time lets others run.
  if native.rang(alarm) then native.wake(native.waiter()) end
  repeat yield(PENDING) until native.rang(alarm)
  return true
end

local function callable(what, f)
  if type(f) ~= "function" then
    error(format("%s was given a %s, expected a function", what, type(f)), 3)
  end
end

local task = {}
local TASK = {__index = task, __metatable = false, __name = "task"}

function task:done() return native.task_done(self[1]) end

-- At once, unless it is the one that runs: then it goes no further than to its next wait.
function task:cancel()
  native.cancel_task(self[1])
  if status(self[2]) == "suspended" then close_coroutine(self[2]) end
end

function waiting.spawn(f, ...)
  callable("spawn", f)
  local co = create(f)
  local state = native.spawn(co, ...)
  if not state then return nil, "LIMIT" end
  return setmetatable({state, co}, TASK)
end

-- What `f` yields for a reason of its own goes through to whoever is meant.
function waiting.with_timeout(seconds, f, ...)
  callable("with_timeout", f)
  local alarm = native.alarm("with_timeout", seconds)
  local co = create(f)
  local inner <close> = waiting.guard(co)
  local results = pack(resume(co, ...))
  while results[1] and status(co) == "suspended" do
    if results.n == 2 and results[2] == PENDING then
      if native.rang(alarm) then return nil, "TIMEOUT" end
      yield(PENDING)
      results = pack(resume(co))
    else
      results = pack(resume(co, yield(unpack(results, 2, results.n))))
    end
  end
  if not results[1] then
    close_coroutine(co)
    error(results[2], 0)
  end
  return unpack(results, 2, results.n)
end

-- Whoever waits at one side of a queue, in order; one is woken at a time.
local function wake_first(line)
  local first = line[1]
  if first and not first.is_called then
    first.is_called = true
    native.wake(first.waiter)
  end
end

-- Who leaves the line, be it because it is cancelled, lets the next one look.
local PLACE = {__close = function(place)
  local line = place.line
  for at = 1, #line do
    if line[at] == place then remove(line, at) break end
  end
  if place.is_called then wake_first(line) end
end}

local queue = {}
local QUEUE = {__index = queue, __metatable = false, __name = "queue"}
QUEUE.__len = function(self) return self.last - self.first + 1 end

local function wait_in(line, is_ready)
  local place <close> = setmetatable({line = line, waiter = native.waiter()}, PLACE)
  line[#line + 1] = place
  repeat
    yield(PENDING)
    place.is_called, place.waiter = false, native.waiter()
  until line[1] == place and is_ready()
  -- Leaving lets the next one look.
  place.is_called = true
end

local function put(self, value)
  self.last = self.last + 1
  self[self.last] = value
  wake_first(self.poppers)
end

local function valued(what, value)
  if value == nil then error(format("%s was given a nil, expected a value", what), 3) end
end

function queue:push(value)
  valued("push", value)
  if not self.end_code and (#self >= self.capacity or self.pushers[1]) then
    wait_in(self.pushers, function() return self.end_code or #self < self.capacity end)
  end
  if self.end_code then return nil, "CLOSED" end
  put(self, value)
  return true
end

function queue:try_push(value)
  valued("try_push", value)
  if self.end_code then return nil, "CLOSED" end
  if #self >= self.capacity or self.pushers[1] then return nil, "FULL" end
  put(self, value)
  return true
end

function queue:pop()
  if #self == 0 and not self.end_code or self.poppers[1] then
    wait_in(self.poppers, function() return #self > 0 or self.end_code end)
  end
  if #self == 0 then return nil, self.end_code, self.end_detail end
  local value = self[self.first]
  self[self.first] = nil
  self.first = self.first + 1
  wake_first(self.pushers)
  return value
end

-- What is in the queue is still popped; then `pop` gives nil and the code.
function queue:close(code, detail)
  if self.end_code then return end
  self.end_code, self.end_detail = code or "EOF", detail
  wake_first(self.poppers)
  wake_first(self.pushers)
end

function waiting.queue(capacity)
  capacity = capacity or 256
  if math.type(capacity) ~= "integer" or capacity < 1 then
    error("queue was given a capacity that is none", 2)
  end
  return setmetatable({
    first = 1, last = 0, capacity = capacity, poppers = {}, pushers = {},
  }, QUEUE)
end

return waiting
