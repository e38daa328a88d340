"""A slow and obvious second opinion on every number of the API; imports nothing of the project.

It follows /spec/definitions.md sentence by sentence; where a sentence can be read in two ways,
the comment "READING" beside the rule says which one was taken.
"""

from .answers import Clinic, Oracle

__all__ = ["Clinic", "Oracle"]
