"""``lead12 soak``: the instrument for a thousand hours, with a fault every few minutes."""
