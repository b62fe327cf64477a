"""An even number of connections for each worker of a service."""
