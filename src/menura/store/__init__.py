"""Implementations of the core's ports that keep things."""
