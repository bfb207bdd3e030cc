-- What is written to standard output is sent to whoever is connected.
--   ncat -l -k --lua-exec hello.lua 8000

print("Hello, world!")
