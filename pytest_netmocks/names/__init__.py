"""Names instead of addresses: what a test's own names lead to, for clients that insist on theirs."""
