"""The ADS1298 analog front end: declaration, driver and simulated twin."""
