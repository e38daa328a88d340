"""A MongoDB server of one's own: a replica set of one, so that transactions work; loopback only."""

from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from local_stack import artifacts
from local_stack.processes import Program
from local_stack.settings import HOST

CACHE_GB = 1
REPLICA_SET = "rs0"
NOT_YET_INITIATED = 94
INVALID_CONFIGURATION = 93
BEFORE_SHARDS = "isdbgrid"
"""How a mongos greets: it stands before replica sets."""


def prepare(folder: Path, port: int) -> Program:
    """The server's program."""
    folder.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = [
        artifacts.mongod(),
        "--dbpath",
        folder,
        "--port",
        str(port),
        "--bind_ip",
        HOST,
        "--replSet",
        REPLICA_SET,
    ]
    command += ["--wiredTigerCacheSizeGB", str(CACHE_GB), "--oplogSize", "990", "--nounixsocket", "--quiet"]
    command += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
    # So long what a killed process was writing keeps others from the same documents: 60 s unless told.
    command += ["--setParameter", "transactionLifetimeLimitSeconds=15"]
    command += ["--slowOpSampleRate", "0"]  # the log would tell what a slow operation wrote: patient data
    return Program("mongodb", command)


def make_primary(port: int) -> bool:
    """Take one step towards a replica set of one, and say whether it takes writes now.

    A folder that was last used under another port is moved to this one.
    """
    host = f"{HOST}:{port}"
    with _client(f"mongodb://{host}/?directConnection=true") as client:
        try:
            if client.admin.command("hello").get("isWritablePrimary"):
                return True
            _configure(client, {"_id": 0, "host": host})
        except PyMongoError:
            return False
    return False


def _configure(client: MongoClient[dict[str, Any]], member: dict[str, Any]) -> None:
    try:
        known = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as problem:
        if problem.code != NOT_YET_INITIATED:
            raise
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
        return
    if known["members"][0]["host"] != member["host"]:
        known["members"][0]["host"] = member["host"]
        known["version"] += 1
        client.admin.command({"replSetReconfig": known, "force": True})


def problem_of(uri: str) -> str | None:
    """What keeps a stack from using this server, and what to do; None when it takes writes and has transactions."""
    try:
        with _client(uri) as client:
            hello = client.admin.command("hello")
    except PyMongoError:
        return "does not answer: start it (as a replica set, initiated with `rs.initiate()`), or unset the variable"
    if "setName" not in hello and hello.get("msg") != BEFORE_SHARDS:
        return (
            f"is not a replica set, so it has no transactions: start mongod with `--replSet {REPLICA_SET}` and call"
            " `rs.initiate()` in mongosh once, or unset the variable"
        )
    if not hello["isWritablePrimary"]:
        return "takes no writes: name the whole replica set (`?replicaSet=…`), or wait until it has a primary"
    return None


def _client(uri: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(uri, serverSelectionTimeoutMS=1000, connectTimeoutMS=1000)
