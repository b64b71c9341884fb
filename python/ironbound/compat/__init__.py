"""Doors for scripts that were written for other tools."""
