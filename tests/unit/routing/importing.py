"""A module that imports a missing module."""

import unixsvc_has_no_such_dependency  # type: ignore[import-not-found]  # noqa: F401
