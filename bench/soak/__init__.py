"""``python -m bench soak``: whether memory, descriptors and threads stay flat under a mixed load."""
