"""Mail that is kept: what servers of several protocols can share."""
