"""Tells ``twistd`` that there is ``twistd unixsvc``. Data only: the rest is in ``unixsvc.tap``."""

from twisted.application.service import ServiceMaker

unixsvc = ServiceMaker(
    "unixsvc",
    "unixsvc.tap",
    "Runs services over Unix sockets, each in processes of its own.",
    "unixsvc",
)
