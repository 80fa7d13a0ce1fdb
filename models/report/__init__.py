"""Pages written from the JSON of ``lead12 evaluate``: no figure in them is typed by hand."""
