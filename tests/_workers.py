"""What the processes of a group do in tests of how a group ends."""

import os
import signal

from semdf.errors import ParameterError
from semdf.training import distributed


def wait() -> None:
    """Wait for all others."""
    distributed.agreed(0, "this")


def refuse() -> None:
    """The second process raises while the first waits for it."""
    if distributed.rank() == 1:
        raise ParameterError("lr: must be less, found more")
    wait()


def die() -> None:
    """The second process is killed while the first waits for it."""
    if distributed.rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    wait()
