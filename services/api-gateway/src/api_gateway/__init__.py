"""The HTTP API: reads the others' read models, accepts outreach events."""
