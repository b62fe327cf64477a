"""Service discovery: locate a service, connect to it, wait for it to appear in the socket directory."""
