"""Reads Cliniko and publishes what changed."""
