"""The demo: an account with made-up people, and a protected resource to try clients against."""
