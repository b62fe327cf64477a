"""Registers ``twistd unixsvc``. The plugin is data only; the code is in ``unixsvc.tap``."""

from twisted.application.service import ServiceMaker

unixsvc = ServiceMaker(
    "unixsvc",
    "unixsvc.tap",
    "Runs services over Unix sockets, each in processes of its own.",
    "unixsvc",
)
