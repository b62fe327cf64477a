"""How sphinx builds these pages."""

import sys
from pathlib import Path

from klein import Klein

import unixsvc.routing.app

unixsvc.routing.app.Klein = Klein  # its annotations name it, and it imports it for type checkers only

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "unixsvc"
author = copyright = "unixsvc contributors"  # noqa: A001  # sphinx's name for it
extensions = ["sphinx.ext.autodoc", "zope_interfaces"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "unixsvc"

# Every reference has to lead somewhere, except to names of other projects, as the build uses no network, and
# to types in signatures that sphinx cannot take apart or that are internal.
nitpicky = True
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(asyncio|click|collections|contextlib|klein|logging|msgspec|socket|svcs|treq|twisted|types|zope)\b.*",
    ),
    (r"py:(class|obj)", r".*(Action|Annotated|Literal|InterfaceClass|\[).*|[0-9.]+"),
    (
        r"py:class",
        r"_asyncio\.Task|BufferedStream|unixsvc\.(client|domain\.(message|validation)|orchestrator\.status|rest"
        r"|telemetry)\..*",
    ),
    (r"py:(attr|data|func)", r"clock|.*(HTTP_SERVICE|PATH_TYPES)|unixsvc\.(contract|domain)\..*"),
]
linkcheck_ignore = [r"https?://"]
linkcheck_anchors = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_maximum_signature_line_length = 100
autodoc_default_options = {"members": True}
