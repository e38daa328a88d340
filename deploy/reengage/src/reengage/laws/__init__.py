"""Do the stored results obey the laws? Read from MongoDB as it is, while everything runs.

Every look reads one moment (a snapshot), so that work under way cannot look like a fault. What is
not settled at that moment, or breaks a law, is looked at again; only what stays wrong is told.
"""
