"""Every number of every read endpoint, from what the risk engine publishes."""

from api_gateway.ports import Readings
from api_gateway.readings.answers import MongoReadings
from shared.clock import Clock
from shared.mongo import DatabaseClient

__all__ = ["MongoReadings", "create_readings"]


def create_readings(databases: DatabaseClient, *, clock: Clock) -> Readings:
    """The gateway's readings; lag is told as of the clock."""
    return MongoReadings(databases, clock)
