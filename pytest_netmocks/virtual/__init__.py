"""Virtual time: one clock for the test, its clients and the servers, which jumps when everybody waits."""
