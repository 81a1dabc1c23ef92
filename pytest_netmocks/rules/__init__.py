"""Rules: what they match, what they answer, over bytes and over commands."""
