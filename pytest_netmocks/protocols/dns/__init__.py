"""DNS (RFC 1034, 1035) over UDP and TCP on one port, over TLS and over HTTP; messages by dnspython."""
