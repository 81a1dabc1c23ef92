"""The gRPC server: calls over HTTP/2 streams, rules, servicers of generated code, health and reflection."""
