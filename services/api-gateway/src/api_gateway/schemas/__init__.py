"""What answers look like: models that document, never models that every answer is pushed through.

Bodies are prepared dicts, too long and too frequent to be validated again; the contract tests
hold them against these models.
"""
