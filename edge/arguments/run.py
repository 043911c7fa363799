"""Show a live picture with the malignancy risk drawn into it, on a page, into a recording, and into a log.

Examples:
  sonocart run bundle --source phantom: --page 127.0.0.1:8080
  sonocart run bundle --source clip.mp4 --loop --precision int8 --page 127.0.0.1:8080
  sonocart run bundle --source clip.mp4 --pace max --record overlay.mp4 --log session.jsonl --json
  sonocart run --config cart.toml --page 127.0.0.1:9000

The picture passes whatever becomes of the network; a risk that may not be trusted is withheld and says why. A
precision that was judged on too few malignant cases runs, and the picture says so beside the model's name.
One still image is shown and judged as a probe held still. A folder of images is played as a clip; stills of
different places have `sonocart accept`. A run that ends by itself without a single picture is an error.
Ctrl-C or SIGTERM ends the run and leaves a playable recording.

Without BUNDLE the settings are those of /etc/sonocart/sonocart.toml; options replace what a file says.
SIGHUP reads the file again. `sonocart config example` shows all settings, `config check` a file's faults.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.service.config import SYSTEM_FILE
from edge.service.fields import add_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "bundle", type=Path, nargs="?", metavar="BUNDLE", help="folder made by sonocart export"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML; default without BUNDLE: " + f"{SYSTEM_FILE}"
    )
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="print the summary with all stage times as JSON")
