"""Publishes outreach events to Reengage from other Python systems."""
