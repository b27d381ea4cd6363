"""A run in a process of its own that is killed at a rename, or meets a full disk: what `test_kills` starts."""

import os
import resource
import signal
import sys
from pathlib import Path

from toys import Logged

from unlabeled import run
from unlabeled.errors import UnlabeledError

LIBRARIES = ["unlabeled.run", "unlabeled.benchmarks.esc10", "unlabeled.datasets.esc10"]
"""What takes long to import: a server that has them starts a process in no time."""


def main(data, root, sleep=0.0, kill_at_rename="", disk=0):
    """Run the toy on `data` into `root / "store"`; its units go to `root / "log"`, an error to `root / "error"`.

    kill_at_rename : end of the name of the file whose renaming it does not live to see
    disk           : bytes that a file may have, 0: any number
    """
    os.environ |= {"TOY_LOG": str(root / "log"), "TOY_SLEEP": str(sleep)}
    if kill_at_rename:
        _kill_at(kill_at_rename)
    if disk:
        resource.setrlimit(resource.RLIMIT_FSIZE, (disk, resource.RLIM_INFINITY))
    try:
        run.evaluate(Logged(), "esc10", data=data, preset="nano", store=root / "store")
    except UnlabeledError as fault:
        (root / "error").write_text(str(fault))
        sys.exit(int(fault.exit))


def _kill_at(ending):
    replace = Path.replace

    def kill(self, target):
        if str(target).endswith(ending):
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(self, target)

    Path.replace = kill
