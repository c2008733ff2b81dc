"""The project's benchmarks: `make bench`, and what they are made of."""
