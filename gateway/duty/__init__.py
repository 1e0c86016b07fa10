"""The duty: its log, its shifts and their handover, and the reports of what they did."""
