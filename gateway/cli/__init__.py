"""The command line: one module for each family of commands."""

from gateway.cli.main import app

__all__ = ["app"]
