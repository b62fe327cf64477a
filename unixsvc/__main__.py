"""``python -m unixsvc`` runs the command ``unixsvc``."""

import sys

if not sys.flags.safe_path:
    # The current directory: a module there must not take the place of one that we import.
    del sys.path[0]

from unixsvc.cli import main

sys.exit(main())
