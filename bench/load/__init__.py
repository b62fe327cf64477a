"""The load generator, and the bytes that it sends to each system."""
