"""HTTP/2 (RFC 9113) on a link: a session has streams, and whoever answers one gets a link of its own."""
