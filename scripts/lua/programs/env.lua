-- Shows what a program is told about its connection.
--   ncat -l -k --lua-exec env.lua 8000

for _, name in ipairs {
  "NCAT_REMOTE_ADDR", "NCAT_REMOTE_PORT", "NCAT_LOCAL_ADDR", "NCAT_LOCAL_PORT", "NCAT_PROTO",
} do
  print(("%s %q"):format(name, os.getenv(name)))
end
