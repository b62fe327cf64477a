"""The listening sockets of services, and the lock of their directory."""
