"""Redis: RESP2 and RESP3 over the commands of fakeredis."""
