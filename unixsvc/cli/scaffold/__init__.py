"""``unixsvc new``: projects from templates."""
