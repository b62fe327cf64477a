"""``python -m unixsvc`` runs the command ``unixsvc``."""

import sys

from unixsvc.cli import main

sys.exit(main())
