"""Measurements, each one command: ``make bench BENCH=<name>``. The last line on stdout is one JSON object."""
