"""Takes examples out of docs/ and runs them as they stand there."""

import os
import pathlib
import re
import subprocess
import textwrap

import definitions
from server import BINARY

DOCS = pathlib.Path(__file__).parents[2] / "docs"


def blocks(name, language):
    """The texts of a document's code blocks."""
    text = (DOCS / name).read_text()
    return [match.group(1) for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


def write_files(name, languages, folder):
    """Writes each block whose first line names its file: `# integrations/desk/syncs/tickets.yaml`."""
    written = []
    for language in languages:
        for block in blocks(name, language):
            path = re.match(r"(?:#|//) (integrations/\S+)\n", block)
            if path:
                definitions.write(folder, path.group(1), textwrap.dedent(block))
                written.append(path.group(1))
    return written


def run_bash(name, terapi, folder, **variables):
    """Runs every bash block, one after the other in one shell each, and returns what each printed."""
    return run_blocks(name, blocks(name, "bash"), terapi, folder, **variables)


def run_blocks(name, found, terapi, folder, **variables):
    """The same with these blocks of the document."""
    commands = pathlib.Path(folder) / "commands"
    commands.mkdir(exist_ok=True)
    link = commands / "terapi"
    if not link.exists():
        link.symlink_to(BINARY)
    environment = {
        **os.environ,
        "PATH": f"{commands}:{os.environ['PATH']}",
        "TERAPI": terapi.base,
        "KEY": terapi.key(),
        "TERAPI_HOST": terapi.base,
        "TERAPI_API_KEY": terapi.key(),
        **variables,
    }
    outputs = []
    for block in found:
        script = "set -euo pipefail\n" + block
        done = subprocess.run(
            ["bash", "-c", script], env=environment, cwd=folder, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{name}:\n{block}\n{done.stdout}\n{done.stderr}"
        outputs.append(done.stdout)
    return outputs
