"""A generated physiotherapy practice with its outreach: the clinic of the demo.

Everybody in it is invented; the same seed and day give the same practice.
"""

from datetime import date
from typing import Any

from support.demo_clinic.classes import Timetable
from support.demo_clinic.mishaps import make_duplicates, put_away, send_replies
from support.demo_clinic.outreach import Outreach
from support.demo_clinic.practice import ZONE
from support.demo_clinic.story import Story
from support.demo_clinic.treatment import treatment_events
from support.sandbox.clinic import Clinic
from support.sandbox.rendering import RENDERERS

__all__ = ["ZONE", "build_demo_clinic", "demo_clinic"]

Record = dict[str, Any]


def build_demo_clinic(
    seed: int = 1, *, today: date, patients: int = 700, organization_id: str = "org_demo"
) -> tuple[Clinic, list[Record]]:
    """Return the practice as the sandbox holds it, and its outreach events, oldest first.

    Both end with the beginning of `today` in Melbourne; bookings reach some weeks ahead.
    """
    story = Story(seed, today)
    Timetable(story)
    outreach = Outreach(story, organization_id)
    story.invite(patients)
    make_duplicates(story)
    put_away(story)
    send_replies(story)
    story.tell()
    events = outreach.events + treatment_events(story.outcomes, organization_id)
    return story.clinic, sorted(events, key=lambda each: (each["time"], each["id"]))


def demo_clinic(
    seed: int = 1, *, today: date, patients: int = 700, organization_id: str = "org_demo"
) -> tuple[dict[str, list[Record]], list[Record]]:
    """Return the same practice's records as Cliniko shows them (hidden ones, too), and events."""
    clinic, events = build_demo_clinic(seed, today=today, patients=patients, organization_id=organization_id)
    records = {
        kind: [RENDERERS[kind].body(collection[each]) for each in collection]
        for kind, collection in clinic.records.items()
    }
    return records, events
