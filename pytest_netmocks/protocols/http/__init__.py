"""The HTTP server: messages, rules, the protocol on the link, hosted applications, and httpbin."""
