"""The results: as a table on the terminal, JSON, reST and SVG."""
