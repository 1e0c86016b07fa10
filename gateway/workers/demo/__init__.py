"""The demo: virtual cameras, the service on embedded defaults, and an operator who sets it up through the doors."""
