"""A slow and obvious second opinion on every number of the API; imports nothing of the project.

It follows definitions.md sentence by sentence; where a sentence can be read in two ways, the
comment "READING" beside the rule says which one was taken.
"""

from support.oracle.answers import Clinic, Oracle
from support.oracle.large_sets import medscheduler_clinic, vitoria_clinic

__all__ = ["Clinic", "Oracle", "medscheduler_clinic", "vitoria_clinic"]
