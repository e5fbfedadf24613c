"""Third-party software on loopback; Tests/Counterparts says what it is and how it behaves."""

import json
import os
import pathlib
import subprocess
import sys

SCRIPTS = pathlib.Path(__file__).parents[1] / "Counterparts"


class Counterpart:
    def __init__(self, script, port, root, **environment):
        self.script = str(SCRIPTS / script)
        # Environments are shared between runs (SVC_ROOT); what runs now has its own folder, so that two runs of the
        # tests beside each other do not stop each other's servers.
        self.environment = {**os.environ, "SVC_RUN": str(root), **{k: str(v) for k, v in environment.items()}}
        output = self._run("start", "--port", str(port))
        self.facts = json.loads(output[output.index("{"):])

    def _run(self, *arguments):
        done = subprocess.run(
            [sys.executable, self.script, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, f"{self.script} {arguments} ended with {done.returncode}"
        return done.stdout

    def stop(self):
        self._run("stop")
