"""Other libraries' own words on the servers here, so that a suite that has many tests in them moves by one line."""
