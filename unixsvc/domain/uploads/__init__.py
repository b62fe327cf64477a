"""The files of forms, as actions get them."""
