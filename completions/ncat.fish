complete -c ncat -s p -l source-port -d 'Specify source port to use' -r -f
complete -c ncat -s s -l source -d 'Specify source address to use (not with -l)' -r -f -a "(__fish_print_hostnames)"
complete -c ncat -s m -l max-conns -d 'Maximum <n> simultaneous connections' -r -f
complete -c ncat -l allow -d 'Allow only given hosts to connect to Ncat' -r -f -a "(__fish_print_hostnames)"
complete -c ncat -l allowfile -d 'A file of hosts allowed to connect to Ncat' -r -F
complete -c ncat -l deny -d 'Deny given hosts from connecting to Ncat' -r -f -a "(__fish_print_hostnames)"
complete -c ncat -l denyfile -d 'A file of hosts denied from connecting to Ncat' -r -F
complete -c ncat -l slow-reader -d 'What to do with a client that takes nothing' -r -f -a "wait\t''
drop\t''
disconnect\t''"
complete -c ncat -s g -d 'Loose source routing hop points (8 max)' -r -f
complete -c ncat -s G -d 'Loose source routing hop pointer (4, 8, 12, ...)' -r -f
complete -c ncat -l keepalive -d 'Ask an idle peer whether it is still there' -r -f
complete -c ncat -l sndbuf -d 'Size of the send buffer (64K, 4M)' -r -f
complete -c ncat -l rcvbuf -d 'Size of the receive buffer (64K, 4M)' -r -f
complete -c ncat -l tos -d 'Type of service, or IPv6 traffic class (0-255)' -r -f
complete -c ncat -l dscp -d 'Class of service: EF, CS0-CS7, AF11-AF43 or 0-63' -r -f
complete -c ncat -l ttl -d 'Time to live, or IPv6 hop limit, of packets sent' -r -f
complete -c ncat -l bind-device -d 'Use only this network interface' -r -f
complete -c ncat -l mark -d 'Mark packets for routing rules and filters' -r -f
complete -c ncat -l congestion -d 'Congestion control algorithm (cubic, reno, bbr)' -r -f
complete -c ncat -l backlog -d 'Connections that may wait to be accepted' -r -f
complete -c ncat -l user-timeout -d 'Give up when data is not acknowledged for so long' -r -f
complete -c ncat -l rate -d 'Bytes a second in each direction (64K/s, 4M/s)' -r -f
complete -c ncat -l ready-fd -d 'Tell on descriptor <n> that we listen, close it' -r -f
complete -c ncat -l history -d 'Give late clients the last SIZE bytes said' -r -f
complete -c ncat -l compat -d 'ncat: a chat\'s bytes exactly as Ncat\'s' -r -f -a "ncat\t''"
complete -c ncat -l eof -d 'What the end of one direction means' -r -f -a "half-close\t''
quit\t''
wait\t''
ncat-7.95\t''"
complete -c ncat -l datagram-size -d 'Bytes of input that make one datagram' -r -f
complete -c ncat -s w -l wait -d 'Connect timeout' -r -f
complete -c ncat -s i -l idle-timeout -d 'Idle read/write timeout' -r -f
complete -c ncat -s q -d 'After EOF on stdin, quit after this time' -r -f
complete -c ncat -s d -l delay -d 'Wait between read/writes' -r -f
complete -c ncat -s o -l output -d 'Dump session data to a file' -r -F
complete -c ncat -s x -l hex-dump -d 'Dump session data as hex to a file' -r -F
complete -c ncat -l json-fd -d 'Write events to this descriptor; implies --json' -r -f
complete -c ncat -s e -l exec -d 'Executes the given command' -r -f
complete -c ncat -s c -l sh-exec -d 'Executes the given command via /bin/sh' -r -f
complete -c ncat -l exec-timeout -d 'Stop the command after this time' -r -f
complete -c ncat -l exec-limit -d 'What the command may use: mem, cpu, files' -r -f
complete -c ncat -l proxy -d 'Specify address of host to proxy through' -r -f
complete -c ncat -l proxy-type -d 'Specify proxy type (http, socks4, socks5)' -r -f -a "http\t''
socks4\t''
socks5\t''
socks\t''
any\t''"
complete -c ncat -l proxy-auth -d 'Authenticate with HTTP or SOCKS proxy server' -r -f
complete -c ncat -l proxy-auth-file -d 'Read USER:PASSWORD from a file' -r -F
complete -c ncat -l proxy-trustfile -d 'Certificates to trust for https proxies (PEM)' -r -F
complete -c ncat -l proxy-dns -d 'Specify where to resolve proxy destination' -r -f -a "local\t''
remote\t''
both\t''
none\t''"
complete -c ncat -l proxy-protocol -d 'PROXY protocol: send1, send2, accept, require' -r -f -a "send1\t''
send2\t''
accept\t''
require\t''"
complete -c ncat -l proxy-protocol-from -d 'Hosts whose PROXY header is believed' -r -f -a "(__fish_print_hostnames)"
complete -c ncat -l lua-exec -d 'Executes the given Lua script' -r -f
complete -c ncat -s L -l lua-filter -d 'Pass the data through a Lua filter' -r -f
complete -c ncat -l lua-arg -d 'An argument for the -L before it, as it stands' -r -f
complete -c ncat -l lua-allow -d 'What the -L before it may do' -r -f
complete -c ncat -l lua-path -d 'Look for filters there first' -r -f
complete -c ncat -l lua-limit -d 'What filters may use; 0 is no limit' -r -f
complete -c ncat -l ssl-cert -d 'Specify SSL certificate file (PEM)' -r -F
complete -c ncat -l ssl-key -d 'Specify SSL private key (PEM)' -r -F
complete -c ncat -l ssl-passphrase-file -d 'File with the key\'s passphrase' -r -F
complete -c ncat -l ssl-keytype -d 'Key of a temporary certificate' -r -f -a "ecdsa\t''
rsa\t''"
complete -c ncat -l ssl-trustfile -d 'PEM file containing trusted SSL certificates' -r -F
complete -c ncat -l ssl-client-ca -d 'Who may have signed clients\' certificates' -r -F
complete -c ncat -l ssl-allow -d 'Let in only clients with this certificate' -r -f
complete -c ncat -l ssl-pin -d 'Accept only this certificate or key' -r -f
complete -c ncat -l ssl-ciphers -d 'Cipherlist containing SSL ciphers to use' -r -f
complete -c ncat -l ssl-ciphersuites -d 'The same for TLS 1.3' -r -f
complete -c ncat -l ssl-groups -d 'Key exchange groups, the preferred first' -r -f
complete -c ncat -l ssl-min -d 'Oldest version: tls1.0 to tls1.3' -r -f -a "tls1.0\t''
tls1.1\t''
tls1.2\t''
tls1.3\t''"
complete -c ncat -l ssl-max -d 'Newest version' -r -f -a "tls1.0\t''
tls1.1\t''
tls1.2\t''
tls1.3\t''"
complete -c ncat -l ssl-servername -d 'Request distinct server name (SNI)' -r -f
complete -c ncat -l ssl-alpn -d 'ALPN protocol list to use' -r -f
complete -c ncat -l ssl-keylog -d 'Append session secrets to this file' -r -F
complete -c ncat -l ssl-session -d 'Keep the session in this file for the next run' -r -F
complete -c ncat -l starttls -d 'Begin TLS as this protocol has it' -r -f -a "smtp\t''
lmtp\t''
imap\t''
pop3\t''
ftp\t''
ldap\t''
xmpp\t''
postgres\t''
mysql\t''
nntp\t''
sieve\t''
irc\t''"
complete -c ncat -l ssl-ktls -d 'Encryption by the kernel: auto, on or off' -r -f -a "auto\t''
on\t''
off\t''"
complete -c ncat -l proxy-allow -d 'Connect a proxy\'s clients to these places only' -r -f
complete -c ncat -l proxy-deny -d 'Never connect a proxy\'s clients to these places' -r -f
complete -c ncat -s 4 -d 'Use IPv4 only'
complete -c ncat -s 6 -d 'Use IPv6 only'
complete -c ncat -s U -l unixsock -d 'Use Unix domain sockets only'
complete -c ncat -s u -l udp -d 'Use UDP instead of default TCP'
complete -c ncat -s n -l nodns -d 'Do not resolve hostnames via DNS'
complete -c ncat -s z -d 'Zero-I/O mode, report connection status only'
complete -c ncat -s l -l listen -d 'Bind and listen for incoming connections'
complete -c ncat -s k -l keep-open -d 'Accept multiple connections in listen mode'
complete -c ncat -l vsock -d 'Use vsock sockets only'
complete -c ncat -l sctp -d 'Use SCTP instead of default TCP'
complete -c ncat -l mptcp -d 'Use Multipath TCP where the peer speaks it'
complete -c ncat -l nodelay -d 'Send short segments at once'
complete -c ncat -l fastopen -d 'Send data with the first segment (TCP Fast Open)'
complete -c ncat -l broker -d 'Enable Ncat\'s connection brokering mode'
complete -c ncat -l chat -d 'Start a simple Ncat chat server'
complete -c ncat -l broker-eof -d 'Tell receivers when the sender is done'
complete -c ncat -s C -l crlf -d 'Use CRLF for EOL sequence'
complete -c ncat -s t -l telnet -d 'Answer Telnet negotiations'
complete -c ncat -l send-only -d 'Only send data, ignoring received; quit on EOF'
complete -c ncat -l recv-only -d 'Only receive data, never send anything'
complete -c ncat -l no-shutdown -d 'Continue half-duplex when receiving EOF on stdin'
complete -c ncat -l append-output -d 'Append rather than clobber specified output files'
complete -c ncat -s v -l verbose -d 'Set verbosity level (can be used several times)'
complete -c ncat -l progress -d 'Show bytes, rate and time left on a terminal'
complete -c ncat -l json -d 'Write events as JSON lines on standard error'
complete -c ncat -l explain -d 'Print what would be done, and stop'
complete -c ncat -s h -l help -d 'Display this help screen'
complete -c ncat -l version -d 'Display Ncat\'s version information and exit'
complete -c ncat -l exec-exit -d 'Exit with the status of the command'
complete -c ncat -l pty -d 'Give the command a terminal of its own'
complete -c ncat -l exec-handover -d 'Give the command the socket itself'
complete -c ncat -l proxy-env -d 'Use ALL_PROXY and NO_PROXY'
complete -c ncat -l lua-list -d 'Show every filter that can be found'
complete -c ncat -l lua-check -d 'Run the tests of the filters given with -L'
complete -c ncat -l lua-isolate -d 'Give each connection a Lua of its own'
complete -c ncat -l lua-reload -d 'With -l, load filters anew when their files change'
complete -c ncat -l safe -d 'Refuse what lets strangers in'
complete -c ncat -l ssl -d 'Connect or listen with SSL'
complete -c ncat -l ssl-verify -d 'Verify trust and domain name of certificates'
complete -c ncat -l ssl-require-pq -d 'Refuse a key exchange that is not post-quantum'
complete -c ncat -l ssl-strict-eof -d 'An end without close_notify is an error'
