"""Clients as a Python program would use them, each in a process of its own, with 50 calls at a time.

The arguments are the address of the service and the number of seconds; the output is the result, as JSON.
"""
