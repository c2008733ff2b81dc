"""Checkpoints deposited outside, where whoever runs this server can't change them: a folder, a witness, a time stamp, git."""
