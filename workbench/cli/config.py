"""`workbench config`: every setting, its value and where it comes from; secrets masked."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from pydantic import SecretStr

from workbench.settings import Settings, env_name, load_settings, sources


def run(options: argparse.Namespace) -> int:
    """Print the settings as a table, or as JSON."""
    overrides = {"data_dir": options.data_dir, "nim_mode": options.mode}
    settings = load_settings(**overrides)
    origin = sources(**overrides)
    rows = [
        {"name": env_name(field), "value": shown(getattr(settings, field)), "source": origin[field]}
        for field in Settings.model_fields
    ]
    if options.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return 0
    widths = [max(len(str(row[key])) for row in rows) for key in ("name", "value")]
    for row in rows:
        sys.stdout.write(f"{row['name']:<{widths[0]}}  {row['value']:<{widths[1]}}  {row['source']}\n")
    return 0


def shown(value: Any) -> str:
    """A value for people; a secret only as whether it is set."""
    if isinstance(value, SecretStr):
        return "********" if value.get_secret_value() else ""
    if isinstance(value, tuple):
        return ":".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
