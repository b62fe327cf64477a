"""Tests with real processes, sockets and signals."""

import signal

# A shell that runs us in the background has us ignore Ctrl-C, and whatever we start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
