"""A program that imitates Cliniko's REST API, so that everything can be tried without Cliniko.

It says why it exists: a real account can be neither broken on purpose nor filled with a hundred
thousand records, and its patients are nobody's test data. What it does: README.md beside this.
"""

from support.sandbox.app import create_app
from support.sandbox.clinic import Clinic
from support.sandbox.loaders import load_bodies, load_clinic
from support.sandbox.options import Options
from support.sandbox.server import running_sandbox
from support.sandbox.state import Sandbox

__all__ = [
    "Clinic",
    "Options",
    "Sandbox",
    "create_app",
    "load_bodies",
    "load_clinic",
    "running_sandbox",
]
