"""What all clients share, without I/O of its own; bindings are in the packages below."""
