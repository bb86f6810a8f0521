"""No target, but one for the test of the frame: its cases end in every way that there is."""

import os
import time
from random import Random

from tests.fuzz.frame import WrongError

PROMISED = (KeyError,)
ENDS = ("taken", "refused", "crash", "hang", "memory", "raw error", "wrong", "noise", "memory")


def make(random: Random) -> int:
    return random.randrange(len(ENDS))


def check(case: int) -> None:
    match ENDS[case]:
        case "refused":
            raise KeyError("promised")
        case "crash":
            os.abort()
        case "hang":
            time.sleep(60)
        case "memory" if case == 4:
            bytearray(3 << 30)
        case "memory":
            raise KeyError("promised, but only for want of memory") from MemoryError()
        case "raw error":
            raise ValueError("not promised")
        case "wrong":
            raise WrongError("not true")
        case "noise":
            print("not ours")
