"""The installed appliance under a real systemd: ``make test-boot``."""
