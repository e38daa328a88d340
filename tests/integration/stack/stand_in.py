"""A service that does nothing but keep the readiness contract: what the supervisor is tested with."""

import os
import signal
import threading
import uuid
from datetime import UTC, datetime

from pymongo import MongoClient


def main() -> None:
    """Be ready until told to end."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    instance = os.environ["REENGAGE_INSTANCE"]
    service = instance.rpartition("-")[0]
    client = MongoClient(os.environ["MONGODB_URI"])
    instances, key = client["reengage"]["instances"], {"_id": f"{service}/{instance}/{uuid.uuid4().hex}"}
    beat = {"service": service, "instance": instance, "pid": os.getpid(), "state": "ready", "health_port": 0}
    while not ended.wait(0.5):
        instances.update_one(key, {"$set": beat | {"at": datetime.now(UTC)}}, upsert=True)
    instances.delete_one(key)
    print("ended when asked", flush=True)


if __name__ == "__main__":
    main()
