"""Authentication of users: schemes, the functions of an application that find a user, and permissions."""
