"""`lead-train`: the entry, which turns whatever happens into an exit code and one message.

Exit codes: 0 done; 1 the input or the gate says no, with a message; 2 wrong use; 3 `drift` found a
change; 10, 11 and 12 of `retrain`: nothing new, kept out by the gate, another one is running; 130
interrupted; anything else is a bug. Whatever takes time to import is imported inside `main`, where
Ctrl-C is heard.
"""

from __future__ import annotations

import sys

__all__ = ["main"]

_INTERRUPTED = 130


def main() -> None:
    """Run the command line; errors of the user's input end with one message and exit code 1."""
    try:
        _run()
    except KeyboardInterrupt:
        _end_interrupted()
    except SystemExit as ended:
        if ended.code == _INTERRUPTED:  # what typer makes of Ctrl-C
            _end_interrupted()
        raise


def _end_interrupted() -> None:
    sys.stderr.write("Interrupted; nothing half-done is left behind.\n")
    sys.exit(_INTERRUPTED)


def _run() -> None:
    from pydantic import ValidationError

    from features.errors import LeadQualityError
    from training.commands import app

    try:
        app()
    except LeadQualityError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            name = "_".join(str(part) for part in found["loc"]).upper()
            name = name if name.startswith("MLFLOW_") else f"LEAD_{name.removeprefix('LEAD_')}"
            sys.stderr.write(f"Setting {name}: {found['msg']}.\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
