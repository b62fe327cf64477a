"""``unixsvc dev``: all services in one terminal, with new code when a file is saved."""
