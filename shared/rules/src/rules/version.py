"""Which rules made a stored document: raised when the same facts give other numbers or counters."""

RULES_VERSION = 3
