"""The FTP server: pyftpdlib's sessions on links of ours, the data connections too."""
