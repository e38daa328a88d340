"""Plumbing and contracts that all services of Reengage use."""
