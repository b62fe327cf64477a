"""Answers to questions of an operator about this process. It is imported when the first one is asked."""
