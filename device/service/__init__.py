"""The camera as a service of systemd."""
