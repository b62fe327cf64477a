"""An application that cannot be imported."""

raise RuntimeError("the application is broken")
