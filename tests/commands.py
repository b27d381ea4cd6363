"""Several commands in one interpreter of its own: what another place of installation needs, its imports paid once."""

import json
import os
import re
import subprocess
import sys

DRIVER = """
import json, sys
from unlabeled import cli
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["unlabeled", *arguments]
    try:
        cli.main()
    except SystemExit as end:
        print(f"ended with {int(end.code or 0)}", flush=True)
"""


def run(commands, site, folder):
    """What each command says, after its exit status: `(status, text)`. `site` stands first in the search path."""
    told = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps([[str(word) for word in command] for command in commands])],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(site), "COLUMNS": "120"}, timeout=600, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ).stdout  # fmt: skip
    assert "Traceback" not in told, told
    parts = re.split(r"^ended with (\d+)\n", told, flags=re.MULTILINE)
    assert len(parts) == 2 * len(commands) + 1, told
    return [(int(status), text) for text, status in zip(parts[::2], parts[1::2], strict=False)]
