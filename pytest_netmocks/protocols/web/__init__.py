"""One HTTP exchange: requests, responses, and what they are made of."""
