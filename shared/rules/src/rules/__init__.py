"""What the numbers mean: pure functions of facts, settings and a required instant."""
