"""What the proxies that clients speak to have in common: where they may connect, and the way there."""
