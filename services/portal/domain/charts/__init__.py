"""Charts as geometry and words; the templates draw them."""
