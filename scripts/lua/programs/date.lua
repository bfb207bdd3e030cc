-- Says what time it is (RFC 867), in UTC.
--   ncat -l -k --lua-exec date.lua 13

print(os.date("!%Y-%m-%dT%H:%M:%SZ"))
