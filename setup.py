from pathlib import Path

from setuptools import find_packages, setup

# Floors are the oldest that the tests have passed with, where a comment gives no other reason.
REQUIREMENTS = [
    "click>=8.1.8",
    "klein>=24.8",
    "msgspec>=0.20",
    "psutil>=5.9.8",
    "rich>=13.7.1",
    "setproctitle>=1.3",
    "svcs>=25.1",
    "treq>=24.9.1",
    "twisted>=26.10",
    "uvloop>=0.23",  # before: crashes and double closes of sockets (its issues 706, 738, 740)
    "werkzeug>=3.0",  # as Klein has it
    "zope.interface>=8.0",
]
TEST = ["hypothesis>=6.100", "openapi-spec-validator>=0.7", "sybil>=10.0"]
DOCS = ["furo>=2025.9", "sphinx>=8.2"]
# What python -m bench measures beside the project itself.
BENCH = ["grpcio>=1.85", "httptools>=0.9", "nats-py>=2.16", "starlette>=1.10", "uvicorn>=0.54"]
DEV = [
    *TEST,
    *DOCS,
    "codespell>=2.4",
    "import-linter>=2.5",
    "mypy>=1.15",
    "mypy-zope>=1.0.11",
    "playwright>=1.65",
    "proselint>=0.16",
    "ruff>=0.12",
    "tox>=4.20",
    "towncrier>=24.8",
]

setup(
    name="unixsvc",
    version="0.1.0",
    description="Microservices over Unix domain sockets, for Python and Twisted",
    long_description=Path(__file__).with_name("README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    author="unixsvc contributors",
    license_expression="MIT AND Apache-2.0",  # the latter: Swagger UI
    license_files=[
        "LICENSE",
        "unixsvc/rest/static/swagger-ui/LICENSE",
        "unixsvc/rest/static/swagger-ui/NOTICE",
        "unixsvc/rest/static/swagger-ui/swagger-ui-bundle.js.LICENSE.txt",
    ],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: No Input/Output (Daemon)",
        "Framework :: Twisted",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    # The plugin joins Twisted's own package of plugins, so that package's __init__.py must not be here.
    packages=[
        *find_packages(include=["unixsvc", "unixsvc.*", "unix_app", "unix_app.*", "rest_app"]),
        "twisted.plugins",
    ],
    package_data={"unixsvc": ["py.typed"], "unixsvc.rest": ["static/*", "static/swagger-ui/*"]},
    py_modules=[],
    install_requires=REQUIREMENTS,
    extras_require={"test": TEST, "docs": DOCS, "dev": DEV, "bench": BENCH},
    entry_points={"console_scripts": ["unixsvc = unixsvc.cli:main"]},
    zip_safe=False,
)
