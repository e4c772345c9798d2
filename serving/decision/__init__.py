"""What to do with leads: the week's line, the desk, hand-off, recycling, what sales thinks."""
