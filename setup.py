"""What pyproject.toml cannot say: the packages, of which one is inside Twisted's, and files beside them."""

from glob import glob

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
    # Below the environment; man and the shells look there for the programs on the path.
    data_files=[
        ("share/man/man1", sorted(glob("deploy/man/*.1"))),
        ("share/bash-completion/completions", ["deploy/completion/bash/unixsvc"]),
        ("share/zsh/site-functions", ["deploy/completion/zsh/_unixsvc"]),
        ("share/fish/vendor_completions.d", ["deploy/completion/fish/unixsvc.fish"]),
    ],
)
