"""The orchestrator in another program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.functional.orchestrator_process import OrchestratorTestCase

_PROGRAM = """
import signal, sys

from twisted.application.service import Application
from twisted.internet import reactor

from unixsvc.config.settings import ServiceSettings
from unixsvc.config.loader import load_settings
from unixsvc.orchestrator.orchestrator import Orchestrator

application = Application("embedding")
orchestrator = Orchestrator(load_settings("unixsvc.toml"), reactor)
orchestrator.register("codes", ServiceSettings("codes:app"))
orchestrator.setServiceParent(application)


def say(word):
    print("it is", word, flush=True)


async def change():
    orchestrator.register("codes", ServiceSettings("codes:app", workers=2))
    orchestrator.register("second", ServiceSettings("codes:app"))
    await orchestrator.reload()
    status = await orchestrator.status()
    say({name: len(each.workers) for name, each in status.items()})
    try:
        orchestrator.register("third", ServiceSettings("import_error:app"))
        await orchestrator.reload()
    except Exception as error:
        say(str(error))


def ready(_):
    say("ready")
    from twisted.internet.defer import Deferred
    Deferred.fromCoroutine(change())


reactor.callWhenRunning(lambda: orchestrator.when_ready().addCallback(ready))
"""


class EmbeddingTests(OrchestratorTestCase):
    """``twistd -y`` with an application that contains an orchestrator."""

    def test_life(self) -> None:
        """Services are registered, started, changed by a reload, and drained at the end."""
        Path(self.folder, "program.tac").write_text(_PROGRAM)
        command = [str(Path(sys.executable).with_name("twistd")), "-ny", "program.tac", "--pidfile="]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        assert process.stdout is not None
        self.addCleanup(process.stdout.close)
        said = []
        for line in process.stdout:
            if "it is " in line:
                said.append(line.partition("it is ")[2].strip())
            if len(said) == 3:
                break
        self.assertEqual(said[:2], ["ready", "{'codes': 2, 'second': 1}"])
        self.assertRegex(said[2], "services.third: cannot start: .*/import_error.py:3: RuntimeError")
        self.assertEqual(self.ask("second", "/item/3"), {"id": 3})
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        process.wait(30)
        self.assertFalse(os.path.exists(self.path()))
