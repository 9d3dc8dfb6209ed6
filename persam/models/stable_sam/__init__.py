"""Stable-SAM's plugin, round any model."""
