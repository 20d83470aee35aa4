"""Files that no clone holds and that some tests need; they skip and say so where the files are not there.

The environment variable SEMDF_TEST_FILES names a folder with them:

    weights/   `detection_mobilenet0.25_Final.pth` of facexlib; without the variable, `weights/` of the checkout counts
    faces/     `london/NNN_03.jpg` and `NNN_03.tem`: neutral pictures of the Face Research Lab London Set, 512 pixels
               wide, with their hand-placed landmarks (doi 10.6084/m9.figshare.5047666.v5)
"""

import os
from pathlib import Path

import pytest

from semdf.pipeline import ROOT

FILES = os.environ.get("SEMDF_TEST_FILES", "")
WEIGHTS = Path(FILES, "weights") if FILES else ROOT / "weights"
PHOTOS = Path(FILES or os.devnull, "faces")

needs_weights = pytest.mark.skipif(
    not (WEIGHTS / "detection_mobilenet0.25_Final.pth").is_file(),
    reason="needs detection_mobilenet0.25_Final.pth in $SEMDF_TEST_FILES/weights or weights/, see tests/_files.py",
)
needs_photos = pytest.mark.skipif(
    not (PHOTOS / "london").is_dir(),
    reason="needs the photographs of $SEMDF_TEST_FILES/faces/london, see tests/_files.py",
)
