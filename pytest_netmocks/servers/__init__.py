"""The bases: what every server is made of."""
