"""What happened: connections, exchanges and the timeline. Knows nothing of who writes it."""
