"""Where a clinic's records come from: a name and, but for the demo, a path given at run time."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from support.sandbox.bodies import fields_of
from support.sandbox.catalog import RESOURCES
from support.sandbox.clinic import Clinic
from support.sandbox.clock import Clock
from support.sandbox.loaders.medscheduler import load_medscheduler
from support.sandbox.loaders.vitoria import ZONE, load_vitoria
from support.sandbox.options import Options

CLINICS = ("demo", "worked", "vitoria", "medscheduler")


def load_clinic(
    name: str,
    *,
    clock: Clock,
    path: Path | None = None,
    shift_to_today: bool = False,
    today: date | None = None,
    seed: int = 1,
    options: Options | None = None,
) -> Clinic:
    """Return a clinic with its records.

    `path` is a file or the folder that holds it; with `shift_to_today` Vitória's last appointment
    is today. `today` (default: the clock's) and `seed` say which demo. Raises ValueError for an unknown clinic, a path that is missing or leads nowhere.
    """
    clinic = Clinic(name, clock=clock, options=options)
    if name == "demo":
        _load_demo(clinic, seed, today)
        return clinic
    if name not in CLINICS:
        raise ValueError(f"unknown clinic {name!r}: one of {', '.join(CLINICS)}")
    if path is None or not path.exists():
        raise ValueError(f"the clinic {name!r} needs --data with the path of its records")
    if name == "worked":
        load_bodies(clinic, orjson.loads(_in_folder(path, "cliniko.json").read_bytes()))
    elif name == "vitoria":
        file = _in_folder(path, "vitoria-appointments-2016.csv.gz")
        load_vitoria(clinic, file, last_day=clinic.today(ZONE) if shift_to_today else None)
    else:
        load_medscheduler(clinic, _in_folder(path, "medscheduler_2022_2024_appointments.csv.gz"))
    return clinic


def _load_demo(clinic: Clinic, seed: int, today: date | None) -> None:
    # Here, not above: the demo is told with this package's own Clinic.
    from support.demo_clinic import ZONE as MELBOURNE
    from support.demo_clinic import build_demo_clinic

    told, _ = build_demo_clinic(seed, today=today or clinic.today(MELBOURNE))
    clinic.load_from(told)


def load_bodies(clinic: Clinic, records: Mapping[str, Any]) -> None:
    """Load records in Cliniko's own form, {kind: [body, ...]}. Raises ValueError."""
    for kind, bodies in records.items():
        resource = RESOURCES.get(kind)
        if resource is None:
            raise ValueError(f"unknown kind of record {kind!r}")
        try:
            clinic.load(kind, [fields_of(resource, body) for body in bodies])
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"a record of {kind} cannot be read: {error!r}") from error


def _in_folder(path: Path, name: str) -> Path:
    """Return the file given, or the one of this name in the folder given (or one folder below)."""
    if path.is_file():
        return path
    found = sorted({*path.glob(name), *path.glob(f"*/{name}")})
    if not found:
        raise ValueError(f"no {name} in {path}")
    return found[0]
