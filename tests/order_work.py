"""Work for the executor's tests: what an order asks for is its kind."""

import os
import time
from pathlib import Path

from edgekd.contracts.errors import DoesNotFit
from edgekd.run import Files
from edgekd.search.executor import Order, Work


def start(folder: str) -> Work:
    """Write down who works, then do orders."""
    (Path(folder) / f"worker-{os.getpid()}").write_text("")

    def work(order: Order) -> Files:
        name = str(order.arguments[0])
        match order.kind:
            case "slow":
                time.sleep(0.5 / (1 + int(name)))  # later ones are done first
            case "endless":
                time.sleep(600)
            case "refuse":
                raise DoesNotFit(f"{name} does not fit", hint="try less")
            case "die":
                os._exit(1)
            case "die once" if not (Path(folder) / f"died-{name}").exists():
                (Path(folder) / f"died-{name}").write_text("")
                os._exit(1)
        needed = b"".join(files["x"] for files in order.files.values())
        return {"x": name.encode() + needed}

    return work
