"""Sphinx's settings."""

import pathlib
import sys
from typing import Any

import pytest_netmocks

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import reference

project = "pytest-netmocks"
author = "The pytest-netmocks developers"
copyright = "2026, The pytest-netmocks developers"  # Sphinx's name
release = version = pytest_netmocks.__version__
extensions = ["myst_parser"]
html_title = f"pytest-netmocks {version}"  # of which version a page is, on each of them
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_use_index = False  # nothing is in it: the reference is pages
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3  # links to sections of other pages, which the build looks up


def setup(app: Any) -> None:
    """Fill in what the source says."""
    app.connect("source-read", lambda app, name, source: source.__setitem__(0, reference.filled(source[0])))
