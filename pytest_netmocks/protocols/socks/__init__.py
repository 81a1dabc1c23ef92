"""SOCKS5 (RFC 1928), and SOCKS4 and 4a on the same port."""
