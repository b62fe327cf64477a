"""Connections without a transport: the first message is often the only one."""
