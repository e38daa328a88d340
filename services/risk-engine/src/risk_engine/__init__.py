"""Keeps one timeline per patient and what follows from it."""
