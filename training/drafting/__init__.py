"""Draft a lead definition and a source map from files that nobody has described yet.

`draft.draft_files` is the door: it reads the files (`tables`), tells which is what and which column
is what (`roles`, `fields`, `decisions`; the words are in `headings` and `outcomes`), asks what only
a person knows (`words`), and gives both files as text (`remarks`) with the `suspects`.
"""
