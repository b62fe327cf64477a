"""Routing: from the method and path of a request to an action with validated arguments."""
