"""Learning: data, architectures, training, bundles. Uses the device's own filters."""
