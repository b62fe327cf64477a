"""What pyproject.toml cannot say: the packages, of which one is a plugin inside another project's package."""

from setuptools import find_packages, setup

setup(
    # The plugin joins Twisted's own package of plugins, so that package's __init__.py must not be here.
    packages=[
        *find_packages(include=["unixsvc", "unixsvc.*", "unix_app", "unix_app.*", "rest_app"]),
        "twisted.plugins",
    ],
    # For "pip install -e": so setuptools puts this folder on the import path by a .pth file, and Twisted
    # finds twisted/plugins there. Without it, an import hook would find the modules, but not the plugin.
    package_dir={"": "."},
)
