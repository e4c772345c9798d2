"""What is kept: events, recorded scores, the files training reads, backups, and its end."""
