"""What every store of users does, as tests that each store's own test case takes in."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from unix_app.user.users import IUsers, NewUser, NoSuchUser, User, UserChange

__all__ = ["StoreContract"]


class StoreContract(SynchronousTestCase):
    """Run by the classes that make a store; not by itself, as trial looks only into modules of tests."""

    def make(self) -> IUsers:
        """A store as it is at first."""
        raise NotImplementedError

    def setUp(self) -> None:
        """Make a store."""
        self.users = self.make()

    def test_interface(self) -> None:
        """It provides what it declares."""
        self.assertTrue(verifyObject(IUsers, self.users))

    def test_begins_with_one(self) -> None:
        """A new store knows one user."""
        self.assertEqual(self.users.page(20, 0), [User(1, "Zeki")])

    def test_add(self) -> None:
        """A new user gets the next id, and is there from then on."""
        ada = self.users.add(NewUser("Ada"))
        self.assertEqual(ada, User(2, "Ada"))
        self.assertEqual(self.users.get(2), ada)
        self.assertEqual(self.users.page(20, 0), [User(1, "Zeki"), ada])

    def test_names_are_kept_as_they_are(self) -> None:
        """Quotes, NUL, and letters of any script come back unchanged."""
        for name in ["O'Hara; DROP TABLE users; --", "a\0b", "Žofie 李 🙂", " "]:
            self.assertEqual(self.users.get(self.users.add(NewUser(name)).id).name, name)

    def test_page(self) -> None:
        """A page has at most so many users, after so many that are left out, by rising id."""
        for name in "BCDE":
            self.users.add(NewUser(name))
        self.assertEqual([user.id for user in self.users.page(2, 1)], [2, 3])
        self.assertEqual([user.id for user in self.users.page(20, 4)], [5])
        self.assertEqual(self.users.page(20, 5), [])
        self.assertEqual(self.users.page(100, 2**63 - 1), [])

    def test_change(self) -> None:
        """A changed user keeps its id and its place."""
        self.users.add(NewUser("Ada"))
        self.assertEqual(self.users.change(1, UserChange("Zeki Z.")), User(1, "Zeki Z."))
        self.assertEqual(self.users.page(20, 0), [User(1, "Zeki Z."), User(2, "Ada")])

    def test_change_to_the_same(self) -> None:
        """A change that changes nothing is none that fails."""
        self.assertEqual(self.users.change(1, UserChange("Zeki")), User(1, "Zeki"))

    def test_remove(self) -> None:
        """A removed user is gone, and nobody else is."""
        self.users.add(NewUser("Ada"))
        self.users.remove(1)
        self.assertEqual(self.users.page(20, 0), [User(2, "Ada")])

    def test_ids_are_not_given_again(self) -> None:
        """Whoever keeps the id of a removed user never meets another by it."""
        self.users.remove(self.users.add(NewUser("Ada")).id)
        self.assertEqual(self.users.add(NewUser("Bob")).id, 3)

    def test_nobody(self) -> None:
        """Whatever is done with an id that nobody has says so."""
        attempts = [
            lambda: self.users.get(7),
            lambda: self.users.change(7, UserChange("Ada")),
            lambda: self.users.remove(7),
        ]
        for attempt in attempts:
            self.assertEqual(self.assertRaises(NoSuchUser, attempt).detail, "no user 7")
