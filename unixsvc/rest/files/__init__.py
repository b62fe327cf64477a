"""Files as HTTP responses: ranges, conditions, and their way to the client."""
