"""Bodies that arrive while their action runs: multipart forms with files, and streams."""
