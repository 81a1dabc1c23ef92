"""The SMTP server: aiosmtpd's protocol on the link, with rules, messages and difficult behaviour."""
