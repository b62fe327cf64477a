"""The wire protocol: framing and messages, without I/O."""
