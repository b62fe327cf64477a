"""What has happened to services, and the hooks that get it."""
