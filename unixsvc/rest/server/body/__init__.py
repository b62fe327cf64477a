"""Bodies of requests: chunked ones, and those that actions read while they arrive."""
