"""Follows each outreach message to its outcome."""
