"""Which rules made a stored document: raised when the same facts give other numbers."""

RULES_VERSION = 1
