"""Our own report page, photographed or scanned, read back into a recording."""
