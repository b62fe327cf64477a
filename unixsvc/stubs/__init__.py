"""Generation of typed client modules from contracts, for ``unixsvc stub``."""
