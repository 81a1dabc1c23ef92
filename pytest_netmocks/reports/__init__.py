"""What happened, for others to see: recordings, and the files and texts made of them. Each reads, none writes."""
