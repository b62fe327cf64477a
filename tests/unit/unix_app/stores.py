"""The tests of all stores of users."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from unix_app.user.users import IUsers, NewUser, NoSuchUser, User, UserChange

__all__ = ["StoreContract"]


class StoreContract(SynchronousTestCase):
    """Run by the classes that make a store; not by itself, as trial looks only into modules of tests."""

    def make(self) -> IUsers:
        """Create a store."""
        raise NotImplementedError

    def setUp(self) -> None:
        """Create a store."""
        self.users = self.make()

    def test_interface(self) -> None:
        """It provides IUsers."""
        self.assertTrue(verifyObject(IUsers, self.users))

    def test_begins_with_one(self) -> None:
        """A new store has one user."""
        self.assertEqual(self.users.page(20, 0), [User(1, "Zeki")])

    def test_add(self) -> None:
        """A new user has the next id and can be read."""
        ada = self.users.add(NewUser("Ada"))
        self.assertEqual(ada, User(2, "Ada"))
        self.assertEqual(self.users.get(2), ada)
        self.assertEqual(self.users.page(20, 0), [User(1, "Zeki"), ada])

    def test_names_are_kept_as_they_are(self) -> None:
        """Names keep quotes, NUL and letters of any script."""
        for name in ["O'Hara; DROP TABLE users; --", "a\0b", "Žofie 李 🙂", " "]:
            self.assertEqual(self.users.get(self.users.add(NewUser(name)).id).name, name)

    def test_page(self) -> None:
        """A page has at most ``limit`` users after ``offset`` skipped ones, sorted by id."""
        for name in "BCDE":
            self.users.add(NewUser(name))
        self.assertEqual([user.id for user in self.users.page(2, 1)], [2, 3])
        self.assertEqual([user.id for user in self.users.page(20, 4)], [5])
        self.assertEqual(self.users.page(20, 5), [])
        self.assertEqual(self.users.page(100, 2**63 - 1), [])

    def test_change(self) -> None:
        """A changed user keeps its id and its position."""
        self.users.add(NewUser("Ada"))
        self.assertEqual(self.users.change(1, UserChange("Zeki Z.")), User(1, "Zeki Z."))
        self.assertEqual(self.users.page(20, 0), [User(1, "Zeki Z."), User(2, "Ada")])

    def test_change_to_the_same(self) -> None:
        """A change without a difference succeeds."""
        self.assertEqual(self.users.change(1, UserChange("Zeki")), User(1, "Zeki"))

    def test_remove(self) -> None:
        """Only the removed user is removed."""
        self.users.add(NewUser("Ada"))
        self.users.remove(1)
        self.assertEqual(self.users.page(20, 0), [User(2, "Ada")])

    def test_ids_are_not_given_again(self) -> None:
        """Ids of removed users are not reused."""
        self.users.remove(self.users.add(NewUser("Ada")).id)
        self.assertEqual(self.users.add(NewUser("Bob")).id, 3)

    def test_unknown_id(self) -> None:
        """All methods raise NoSuchUser for an unknown id."""
        attempts = [
            lambda: self.users.get(7),
            lambda: self.users.change(7, UserChange("Ada")),
            lambda: self.users.remove(7),
        ]
        for attempt in attempts:
            self.assertEqual(self.assertRaises(NoSuchUser, attempt).detail, "no user 7")
