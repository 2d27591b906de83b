"""The addresses in the package's metadata: those of the repository whose workflow builds it, otherwise none."""

import os

from setuptools import setup

repository = os.environ.get("GITHUB_REPOSITORY", "")
server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
home = f"{server}/{repository}"
urls = {"Repository": home, "Changelog": f"{home}/blob/main/CHANGELOG.md", "Issues": f"{home}/issues"}

setup(project_urls=urls if repository else {})
