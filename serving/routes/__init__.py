"""The HTTP interface for machines; docs/guide/api.md describes it."""
