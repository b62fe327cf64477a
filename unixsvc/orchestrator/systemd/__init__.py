"""systemd: the notify protocol, the watchdog and socket activation."""
