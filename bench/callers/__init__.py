"""The clients that a Python program would use, each in a process of its own: 50 calls at a time.

Each takes where its service is, and for how many seconds to call it, and writes what came of it as JSON.
"""
