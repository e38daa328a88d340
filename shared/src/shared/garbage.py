"""When Python looks for garbage that refers to itself."""

import gc


def look_for_garbage_less_often() -> None:
    """For a process that has loaded all it needs: that stays, and batches of thousands of documents come and go
    without a cycle among them.

    Measured: a sixth of the risk engine's processor time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
