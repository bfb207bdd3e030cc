-- Says from which address and port the connection comes.
--   ncat -l -k --lua-exec whatismyip.lua 8000

print(os.getenv("NCAT_REMOTE_ADDR"), os.getenv("NCAT_REMOTE_PORT"))
