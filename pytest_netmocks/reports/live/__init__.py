"""The page while it happens: what servers tell goes to browsers as it comes, and faults are put in force by hand.

It never holds up a server: what one tells is put into a queue with a bound, and all else is done by threads of its own.
"""
