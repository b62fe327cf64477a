"""The certificates of gateways with TLS, and their changes."""
