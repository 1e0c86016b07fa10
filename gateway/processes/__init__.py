"""The seams between processes: typed messages, the channel that carries them, the supervisor of the workers."""
