"""Parts of the measurement of rooms."""
