"""The rules that turn looks into hazards: one module for each, all pure."""
