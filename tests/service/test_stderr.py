"""A verb that keeps no journal still says what is a warning."""

import subprocess
import sys

CODE = """
import logging
from edge.service.stderr import worded_warnings
worded_warnings()
logging.getLogger("edge").warning("%d patients", 3)
"""


def test_a_warning_begins_with_the_word():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stderr == "warning: 3 patients\n"
