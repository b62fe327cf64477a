"""The wire protocol over Unix sockets, as ``docs/protocol.rst`` has it."""
