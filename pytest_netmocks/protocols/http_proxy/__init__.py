"""A forward proxy of HTTP: CONNECT and the absolute form."""
