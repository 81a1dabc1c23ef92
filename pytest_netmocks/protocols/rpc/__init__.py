"""Remote procedure calls over HTTP: XML-RPC and JSON-RPC, under a path of an HTTP server."""
