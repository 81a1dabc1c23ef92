"""The endpoints of the well-known httpbin, natively on our server: one module a theme, `endpoints` is their table."""
