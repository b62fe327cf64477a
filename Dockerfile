# syntax=docker/dockerfile:1

# The demo, with the orchestrator: an image to start from. "unixsvc new NAME" writes one for a project.
# To pin the base image: --build-arg PYTHON=python:3.13-slim@sha256:...
ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS build
# pip reads it: a package index of your own.
ARG PIP_INDEX_URL
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/root/.cache/pip pip wheel --wheel-dir /wheels .
RUN python -m venv /opt/unixsvc \
    && /opt/unixsvc/bin/pip install --no-index --find-links /wheels unixsvc \
    # Twisted keeps a list of its plugins, which it could not write later.
    && /opt/unixsvc/bin/twistd --help >/dev/null

FROM ${PYTHON}
RUN useradd --system --uid 10001 --home-dir /var/lib/unixsvc --shell /usr/sbin/nologin unixsvc \
    && install --directory --owner=unixsvc --group=unixsvc --mode=0700 /run/unixsvc /var/lib/unixsvc
COPY --from=build /opt/unixsvc /opt/unixsvc
COPY deploy/docker/*.toml /etc/unixsvc/
ENV PATH=/opt/unixsvc/bin:$PATH
# The number, as Kubernetes compares it with runAsNonRoot.
USER 10001
# unixsvc.toml there is the configuration, also of commands by "docker exec".
WORKDIR /etc/unixsvc
# The sockets and the data. With these two the root file system may be read-only.
VOLUME ["/run/unixsvc", "/var/lib/unixsvc"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 CMD ["unixsvc", "health", "--ready"]
CMD ["twistd", "-n", "--pidfile=", "unixsvc"]
