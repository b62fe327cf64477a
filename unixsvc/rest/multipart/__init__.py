"""Forms of the type ``multipart/form-data`` (RFC 7578)."""
