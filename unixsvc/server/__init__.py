"""The Unix-socket server: one protocol per connection, and the handler that owns them."""
