"""IMAP4rev1 (RFC 3501) over folders that a test fills."""
