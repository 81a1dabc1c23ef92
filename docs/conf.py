"""Sphinx's settings."""

import pytest_netmocks

project = "pytest-netmocks"
author = "The pytest-netmocks developers"
copyright = "2026, The pytest-netmocks developers"  # Sphinx's name
release = version = pytest_netmocks.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_title = f"pytest-netmocks {version}"  # of which version a page is, on each of them
html_theme = "furo"
exclude_patterns = ["_build"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_class_signature = "separated"
default_role = "code"
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3  # links to sections of other pages, which the build looks up
