"""TLS: the authority and its certificates, what a server offers, and the layer that speaks it between two links."""
