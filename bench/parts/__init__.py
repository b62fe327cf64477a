"""The parts of the benchmark: which loads are measured on which systems."""
