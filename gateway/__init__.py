"""The running service: streams, rooms, events, the grid, access, and the doors to them."""
