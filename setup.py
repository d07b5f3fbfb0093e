"""Install three folders under one import name: `workers/` and `pipelines/` go inside `advcore`.

The rest is in pyproject.toml.
"""

from setuptools import find_packages, setup

inside = [f"advcore.{package}" for package in find_packages(include=["workers*", "pipelines*"])]
setup(
    packages=find_packages(include=["advcore*"]) + inside,
    package_dir={"advcore.workers": "workers", "advcore.pipelines": "pipelines"},
)
