"""The application that both revisions serve: every kind of argument, result, failure, wait and stream."""

from __future__ import annotations

from tests.differential.app.failures import FAILURES
from tests.differential.app.gates import GATES
from tests.differential.app.streams import STREAMS
from tests.differential.app.values import VALUES
from unixsvc import App

app = App([*VALUES, *FAILURES, *GATES, *STREAMS], title="The sample", version="7")
