"""The demo: two services, written as an application of one's own would be.

``home`` is the smallest there is. ``user`` keeps data: its routes, its controllers, what the controllers are
given, what a user is, and two stores for users, each in a file of its own.
"""
