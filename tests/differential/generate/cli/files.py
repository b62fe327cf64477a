"""The files that commands read: configurations, most of them invalid, and data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ["CONFIGURATIONS", "FILES"]

_GOOD: Final = "tests.differential.app.wrong:good"
_SERVICE: Final = f'[services.good]\napp = "{_GOOD}"\n'
_SOURCE: Final = Path(__file__).parents[2].joinpath("app", "wrong.py").read_text()
_WRONG_APPS: Final = "".join(
    f'[services.{name}]\napp = "tests.differential.app.wrong:{name}"\n'
    for name in re.findall(r"^(\w+) = App\(", _SOURCE, re.MULTILINE)
)
CONFIGURATIONS: Final = {
    "unknown": 'nothing = 1\n' + _SERVICE, "no_toml": "[services\n", "type": 'socket_mode = 7\n' + _SERVICE,
    "limit": _SERVICE + "workers = 0\n",
    "unknown_key": _SERVICE + "wokers = 2\n", "no_app": "[services.good]\nworkers = 1\n",
    "name": f'[services.Good]\napp = "{_GOOD}"\n',
    "taken": f'[services.orchestrator]\napp = "{_GOOD}"\n', "depends": _SERVICE + 'depends_on = ["other"]\n',
    "circle": _SERVICE + f'depends_on = ["two"]\n[services.two]\napp = "{_GOOD}"\ndepends_on = ["good"]\n',
    "isolation": _SERVICE + 'isolation = "thread"\n', "token": '[security]\ntoken = "maybe"\n' + _SERVICE,
    "seconds": _SERVICE + "boot_timeout = -1\n",
    "listen": _SERVICE + '[http]\nlisten = ["tcp:x"]\n',
    "listen_kind": _SERVICE + '[http]\nlisten = ["udp:1"]\n',
    "listen_key": _SERVICE + '[http]\nlisten = ["tcp:1:inteface=::1"]\n',
    "listen_nothing": _SERVICE + "[http]\nlisten = []\n",
    "mount": _SERVICE + '[http]\nmounts = { "/x" = "absent" }\n',
    "mount_path": _SERVICE + '[http]\nmounts = { "x" = "good" }\n',
    "cors": _SERVICE + '[http.cors]\norigins = ["shop"]\n',
    "cors_star": _SERVICE + '[http.cors]\norigins = ["*"]\ncredentials = true\n',
    "http_key": _SERVICE + "[http]\nport = 80\n", "log": '[log]\nlevel = "loud"\n' + _SERVICE,
    "umask": _SERVICE + 'umask = "999"\n',
    "rlimits": _SERVICE + 'rlimits = { files = 3 }\n', "user": _SERVICE + 'user = "nobody-of-this-name"\n',
    "bytes": "\xff", "empty": "",
    "no_module": '[services.good]\napp = "absent:app"\n',
    "no_name": '[services.good]\napp = "tests.differential.app.wrong:absent"\n',
    "no_colon": '[services.good]\napp = "absent"\n',
    "no_application": '[services.good]\napp = "tests.differential.app.wrong:no_app"\n',
    "handler": _SERVICE + 'handler = "tests.differential.app.wrong:no_app"\n',
    "raises": '[services.good]\napp = "raises:app"\n',
    "syntax": '[services.good]\napp = "syntax:app"\n', "exits": '[services.good]\napp = "exits:app"\n',
    "apps": _WRONG_APPS, "good": _SERVICE,
    "long": f'socket_dir = "{"x" * 120}"\n{_SERVICE}',
    "inline": _SERVICE + 'isolation = "inline"\nworkers = 3\n',
}  # fmt: skip
FILES: Final[Mapping[str, bytes]] = {
    **{f"wrong/{name}.toml": text.encode("latin-1") for name, text in CONFIGURATIONS.items()},
    "wrong/raises.py": b"raise ValueError('not today')\n",
    "wrong/syntax.py": b"def f(:\n",
    "wrong/exits.py": b"raise SystemExit(3)\n",
    "item.json": b'{"value": [1, 2.50, "\xc3\xa4"]}',
    "text.txt": "ünï\n".encode(),
    "binary.bin": b"\xff\x00",
}
"""What the commands read, by its place in the folder where they are run."""
