"""Shipped code tables, as data: event classes and holiday tables. A city imports its own over them."""
