"""The README's Python runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path


def test_the_readme_runs(tmp_path):
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "brute_force" in done.stdout
