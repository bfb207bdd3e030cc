-- Takes everything and says nothing (RFC 863).
--   ncat -l -k --lua-exec discard.lua 9

while io.read(64 * 1024) do end
