"""Where the values of the configuration are from: files, references in them, environment variables."""
