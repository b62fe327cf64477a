"""The configuration: the file, its checks and the settings."""
