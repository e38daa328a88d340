"""What a person is told, in one line, when the stack cannot do what was asked."""


class StackError(Exception):
    """Says what is wrong and what to do about it."""
