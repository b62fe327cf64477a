"""A module that needs what is not installed."""

import unixsvc_has_no_such_dependency  # type: ignore[import-not-found]  # noqa: F401
