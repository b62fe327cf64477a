"""Clients of services: a core without I/O, and thin bindings for Twisted, asyncio and blocking programs.

It has a module for each concern of a call: ``connection`` and ``multiplexer`` (protocol), ``retry`` and
``breaker`` (policy), ``pool``, ``stream_buffer``, ``deadline_timer``. The bindings share ``base`` and
``async_base``; the package ``discovery`` finds services and connects to them.
"""
