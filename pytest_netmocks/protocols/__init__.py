"""The protocols, one folder each, with the same rooms: server, rules, session, records, library."""
