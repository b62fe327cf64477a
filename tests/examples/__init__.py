"""Runs the examples of the documentation.

``blocks`` finds the code blocks of a page, with sybil; it describes how a page marks them. ``page`` executes
them in their order, in a folder of the page's own: Python and TOML itself, shell sessions with ``console``,
protocol exchanges with ``exchange``.
"""

from tests.default_signals import accept_signals

accept_signals()
