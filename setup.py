"""What pyproject.toml cannot say: the readme as an index page can show it.

Links and pictures inside the repository lead nowhere there, so the pictures are left out and the links become text.
"""

import re
from pathlib import Path

from setuptools import setup

_INSIDE = r"\]\((?!https?:|#)[^)]*\)"

text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
text = re.sub(rf"!\[[^\]]*{_INSIDE}\n*", "", text)
text = re.sub(rf"\[([^\]]*){_INSIDE}", r"\1", text)
# The name keeps this file out of the wheel: the root is the package, and setuptools takes it for a module.
setup(script_name="setup.py", long_description=text, long_description_content_type="text/markdown")
