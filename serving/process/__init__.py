"""The process around the app: the wire, limits, workers, log, metrics."""
