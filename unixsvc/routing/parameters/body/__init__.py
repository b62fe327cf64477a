"""Parameters from the body of a request, which is the ``data`` of a message."""
