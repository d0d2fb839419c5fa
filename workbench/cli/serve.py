"""`workbench serve`: start the workbench and open it in a browser."""

from __future__ import annotations

import argparse


def run(options: argparse.Namespace) -> int:
    """Serve until stopped."""
    from workbench.serve import ServeOptions, serve  # noqa: PLC0415 - brings the page along
    from workbench.settings import load_settings  # noqa: PLC0415 - with it

    settings = load_settings(
        host=options.host,
        port=options.port,
        data_dir=options.data_dir,
        nim_mode="mock" if options.demo and options.mode is None else options.mode,
    )
    return serve(
        settings,
        ServeOptions(
            share=options.share,
            demo=options.demo,
            window=options.window,
            browser=not options.no_browser,
            log_level=options.log_level,
            as_json=options.json,
        ),
    )
