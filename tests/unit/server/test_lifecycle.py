"""The table of states and events of a connection."""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.server.lifecycle import (
    TRANSITIONS,
    ConnectionAction,
    ConnectionEvent,
    ConnectionLifecycle,
    ConnectionState,
)


def _walk(*events: ConnectionEvent) -> tuple[ConnectionState, list[ConnectionAction]]:
    """Where a new connection gets by these events, and what it has to do on the way."""
    lifecycle = ConnectionLifecycle()
    actions = [lifecycle.handle(event) for event in events]
    return lifecycle.state, [action for action in actions if action is not ConnectionAction.NOTHING]


class TableTests(SynchronousTestCase):
    """Properties of the whole table."""

    def test_order(self) -> None:
        """No transition leads to an earlier state."""
        for (state, event), (target, _) in TRANSITIONS.items():
            self.assertGreaterEqual(target, state, event)

    def test_serving_is_false(self) -> None:
        """The first state is false: the path of every message relies on that."""
        self.assertFalse(ConnectionState.SERVING)
        self.assertTrue(
            all(ConnectionState[each] for each in ConnectionState.__members__ if each != "SERVING")
        )

    def test_lost(self) -> None:
        """A lost connection stays lost; the only thing that it does is to close its transport."""
        for event in ConnectionEvent:
            state, action = TRANSITIONS.get(
                (ConnectionState.LOST, event), (ConnectionState.LOST, ConnectionAction.NOTHING)
            )
            closes = event is ConnectionEvent.DISCONNECTED
            self.assertIs(state, ConnectionState.LOST, event)
            self.assertIs(action, ConnectionAction.CLOSE if closes else ConnectionAction.NOTHING, event)

    def test_every_state_ends(self) -> None:
        """From every state the end of input, an abort and the loss of the connection lead to the end."""
        for state, event in product(ConnectionState, (ConnectionEvent.DISCONNECTED, ConnectionEvent.LOST)):
            self.assertGreaterEqual(TRANSITIONS[state, event][0], ConnectionState.CLOSING)
        for state in ConnectionState:
            if state < ConnectionState.ABORTED:
                aborted = (ConnectionState.ABORTED, ConnectionAction.CANCEL_PENDING)
                self.assertEqual(TRANSITIONS[state, ConnectionEvent.ABORT], aborted)

    def test_every_event_is_used(self) -> None:
        """Each event, action and state occurs in the table."""
        self.assertEqual({event for _, event in TRANSITIONS}, set(ConnectionEvent))
        self.assertEqual({state for state, _ in TRANSITIONS}, set(ConnectionState))
        actions = {action for _, action in TRANSITIONS.values()}
        self.assertEqual(actions, set(ConnectionAction))


class WalkTests(SynchronousTestCase):
    """Usual lives of connections."""

    def test_goaway(self) -> None:
        """A draining client that uses ids is sent goaway, once, and served until it disconnects."""
        state, actions = _walk(
            ConnectionEvent.DRAIN,
            ConnectionEvent.IDENTIFIED,
            ConnectionEvent.IDENTIFIED,
            ConnectionEvent.DRAIN,
        )
        self.assertIs(state, ConnectionState.GOAWAY_SENT)
        self.assertEqual(actions, [ConnectionAction.SERVE, ConnectionAction.SEND_GOAWAY])

    def test_anonymous(self) -> None:
        """A draining client without ids is served what it has sent, and closed."""
        state, actions = _walk(
            ConnectionEvent.DRAIN,
            ConnectionEvent.ANONYMOUS,
            ConnectionEvent.INPUT_SERVED,
            ConnectionEvent.REPLIED,
        )
        self.assertIs(state, ConnectionState.CLOSING)
        self.assertEqual(actions, [ConnectionAction.SERVE, ConnectionAction.SERVE, ConnectionAction.CLOSE])

    def test_refused(self) -> None:
        """A refused client is given time to read the reply, and nothing closes it before that."""
        state, actions = _walk(
            ConnectionEvent.REFUSE, ConnectionEvent.FINISH, ConnectionEvent.DRAIN, ConnectionEvent.REPLIED
        )
        self.assertIs(state, ConnectionState.LINGERING)
        self.assertEqual(actions, [ConnectionAction.LINGER])

    def test_one_message(self) -> None:
        """The one-message exchange closes after its reply."""
        state, actions = _walk(ConnectionEvent.LAST_MESSAGE, ConnectionEvent.REPLIED)
        self.assertEqual((state, actions), (ConnectionState.CLOSING, [ConnectionAction.CLOSE]))

    def test_half_closed(self) -> None:
        """After the end of input, what has arrived is served and answered; FINISH does not cut that short."""
        state, actions = _walk(ConnectionEvent.INPUT_ENDED, ConnectionEvent.REPLIED, ConnectionEvent.FINISH)
        self.assertIs(state, ConnectionState.INPUT_ENDED)
        self.assertEqual(actions, [ConnectionAction.SERVE, ConnectionAction.SERVE])
