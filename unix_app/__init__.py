"""The demo application: two services.

``home`` is a minimal service. ``user`` stores data: it has a module each for the routes, the controllers, the
container with their dependencies, the domain, and two stores.
"""
