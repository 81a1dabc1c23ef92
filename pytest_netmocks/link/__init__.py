"""All of the I/O: the loop's thread, sockets, listeners, links and datagrams."""
