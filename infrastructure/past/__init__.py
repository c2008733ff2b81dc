"""The past, judged as it was: states rebuilt from events up to a position, and the write side's own permission function over them."""
