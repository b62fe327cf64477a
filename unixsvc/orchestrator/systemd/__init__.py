"""systemd: the notify protocol and socket activation."""
