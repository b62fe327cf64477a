"""The schemes in which users authenticate."""
