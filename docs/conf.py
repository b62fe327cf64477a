"""How sphinx builds these pages."""

project = "unixsvc"
author = copyright = "unixsvc contributors"  # noqa: A001  # sphinx's name for it
exclude_patterns = ["_build"]
