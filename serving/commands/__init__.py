"""What ``lead-serve`` does, a file for each command or family of commands."""
