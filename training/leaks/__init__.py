"""The leak scan: which columns know what nobody can know when a lead arrives."""

from training.leaks.answers import accept
from training.leaks.columns import ScanColumn, read_column
from training.leaks.findings import LeakFinding, LeakScan
from training.leaks.scan import scan_columns, scan_history
from training.leaks.time_signals import compare_exports

__all__ = [
    "LeakFinding",
    "LeakScan",
    "ScanColumn",
    "accept",
    "compare_exports",
    "read_column",
    "scan_columns",
    "scan_history",
]
