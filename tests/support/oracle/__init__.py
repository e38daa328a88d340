"""A slow and obvious second opinion on every number of the API; imports nothing of the project.

It follows definitions.md sentence by sentence; where a sentence can be read in two ways, the
comment "READING" beside the rule says which one was taken.
"""

from support.oracle.answers import Clinic, Oracle
from support.oracle.large_sets import VITORIA, large_oracle, vitoria_clinic

__all__ = ["VITORIA", "Clinic", "Oracle", "large_oracle", "vitoria_clinic"]
