"""The command `workbench`. Only the standard library is imported until a command runs."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Callable, Sequence

from workbench import __version__

_COMMANDS = {
    "serve": "start the workbench and open it in a browser",
    "segment": "segment a CT and measure every structure",
    "ask": "ask VILA-M3 about a picture or a slice of a CT",
    "ingest": "add papers and guidelines to the library",
    "chat": "ask the library; every answer with its sources",
    "generate": "have MAISI make synthetic CTs with their labels",
    "doctor": "look at this machine and the NIMs, and say what to mend",
    "bench": "measure how fast a NIM answers, or how well the library does (chat)",
    "config": "show every setting, its value and where it comes from",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0 on success, 1 for a failure told in one line, 2 for wrong usage."""
    parser = build_parser()
    options = _parsed(parser, argv)
    if options.command is None:
        parser.print_help(sys.stderr)
        return 2
    logging.basicConfig(level=options.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    for noisy in ("httpx", "httpcore", "matplotlib", "pydicom", "nibabel", "PIL", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # What is wrong with a form is told to who sent it.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    return _run(options)


def _parsed(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """The options. A question may stand behind options too, where argparse no longer looks for one."""
    options, left = parser.parse_known_args(argv)
    if len(left) == 1 and not left[0].startswith("-") and getattr(options, "question", "none is taken") is None:
        options.question = left.pop()
    if left:
        parser.error(f"unrecognized arguments: {' '.join(left)}")
    return options


def build_parser() -> argparse.ArgumentParser:
    """The options of every command."""
    parser = argparse.ArgumentParser(
        prog="workbench",
        description="NVIDIA's medical NIMs for radiology research. Not for clinical decisions.",
    )
    parser.add_argument("--version", action="version", version=f"workbench {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print JSON on standard output")
    common.add_argument("--data-dir", metavar="DIR", help="where cases, library and logs are kept")
    common.add_argument("--mode", choices=("local", "cloud", "mock"), help="who answers (IMAGING_NIM_MODE)")
    common.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="warning", help="default: warning"
    )
    made = {
        name: commands.add_parser(name, help=text, description=text, parents=[common])
        for name, text in _COMMANDS.items()
    }
    _serve_options(made["serve"])
    _segment_options(made["segment"])
    _ask_options(made["ask"])
    _ingest_options(made["ingest"])
    _chat_options(made["chat"])
    _generate_options(made["generate"])
    _bench_options(made["bench"])
    return parser


def _serve_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default 8524, 0 for a free one)")
    parser.add_argument("--share", action="store_true", help="also open a public link; needs IMAGING_AUTH")
    parser.add_argument("--demo", action="store_true", help="mock mode, with the phantom opened")
    parser.add_argument("--window", action="store_true", help="open in a window of its own")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")


def _segment_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ct", metavar="CT", help="a file, or a folder of DICOM files")
    parser.add_argument("-o", "--output", metavar="DIR", help="write mask.nii.gz, volumes.csv and volumes.json there")
    parser.add_argument(
        "--classes", nargs="+", metavar="NAME", help="structures, such as liver left_kidney; default: everything"
    )
    parser.add_argument("--series", type=int, metavar="N", help="which series, where CT holds several")


def _ask_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "image",
        metavar="IMAGE",
        help="a picture (PNG, JPEG, DICOM), a CT file or folder, case:ID, or demo for the phantom",
    )
    parser.add_argument(
        "question", nargs="?", metavar="QUESTION", help="what to ask; without it, lines of standard input as turns"
    )
    parser.add_argument("--plane", choices=("axial", "coronal", "sagittal"), help="of a CT (default axial)")
    parser.add_argument(
        "--slice", type=int, metavar="N", help="from 1; default: where most structures lie, else the middle"
    )
    parser.add_argument(
        "--window", metavar="NAME|C,W", help="such as lung, or --window=-600,1500 in HU (default 50,400)"
    )
    parser.add_argument("--overlay", action="store_true", help="draw the case's mask over the slice")
    parser.add_argument("--mosaic", action="store_true", help="the three planes in one picture")
    parser.add_argument("--series", type=int, metavar="N", help="which series, where IMAGE holds several")
    parser.add_argument("--modality", choices=("CT", "MRI", "CXR"), help="what made the picture")
    parser.add_argument(
        "--expert",
        choices=("yes", "no"),
        help="whether to run VISTA-3D when the model calls for it; default: you are asked at a terminal, else no",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write the talk there: .html, .md or .json")


def _ingest_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a file or folder: PDF, DOCX, HTML, Markdown, text, JSON Lines, or a zip of these",
    )
    parser.add_argument("--collection", metavar="NAME", help="made if new; default: imaging_literature")


def _chat_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "question", nargs="?", metavar="QUESTION", help="what to ask; without it, a line each from standard input"
    )
    parser.add_argument(
        "--collection", action="append", metavar="NAME", help="search there; repeat for several; default: all"
    )
    parser.add_argument("--source", action="append", metavar="NAME", help="only documents of this source; repeatable")
    parser.add_argument("--year-from", type=int, metavar="YEAR", help="only documents of that year or later")
    parser.add_argument("--year-to", type=int, metavar="YEAR", help="only documents of that year or earlier")
    parser.add_argument("--top-k", type=_whole(1, 20), default=5, metavar="K", help="most passages used (default 5)")
    parser.add_argument("--case", metavar="ID", help="a case whose measurements may be cited as [Case]")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the conversation there: .md, .json or .html")


def _generate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--region", nargs="+", metavar="NAME", help="head, chest, abdomen, pelvis")
    parser.add_argument("--size", metavar="XxYxZ", help="voxels, such as 256x256x128 (default 256x256x256)")
    parser.add_argument("--spacing", metavar="XxYxZ", help="mm; default: what is recommended for the size")
    parser.add_argument(
        "--anatomy", nargs="+", metavar="NAME", help="such as liver left_kidney; default: the usual ones of the region"
    )
    parser.add_argument(
        "--organ-size",
        nargs="+",
        metavar="NAME=SIZE",
        help="0 to 1, or -1 to leave it out, such as liver=0.8; overrides region and anatomy",
    )
    parser.add_argument("--samples", type=int, metavar="N", help="how many CTs (default 1)")
    parser.add_argument("--request", metavar="FILE", help="a request.json written before; options given replace it")
    parser.add_argument("--dry-run", action="store_true", help="hold the request against the rules, send nothing")
    parser.add_argument("-o", "--output", metavar="DIR", help="write request.json and a folder for each sample there")


def _bench_options(parser: argparse.ArgumentParser) -> None:
    services = ("vista3d", "llm", "maisi", "vila_m3", "embed", "rerank", "chat")
    parser.add_argument("service", metavar="SERVICE", choices=services, help=", ".join(services))
    parser.add_argument("--requests", type=_whole(1, 10_000), default=10, metavar="N", help="how many (default 10)")
    parser.add_argument("--concurrency", type=_whole(1, 64), default=1, metavar="C", help="at once (default 1)")
    parser.add_argument(
        "--max-seconds", type=_whole(1, 86_400), default=600, metavar="S", help="end after that long (default 600)"
    )
    parser.add_argument("--health", action="store_true", help="time the readiness probe instead of work")
    parser.add_argument("--allow-mock", action="store_true", help="measure the stand-in too; marked as mock")
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="vista3d: structures; default: everything")
    parser.add_argument(
        "--spacing", type=_whole(1, 10), default=2, metavar="MM", help="vista3d: of the phantom sent, mm (default 2)"
    )
    parser.add_argument(
        "--max-tokens", type=_whole(1, 4096), default=128, metavar="N", help="llm: longest answer (default 128)"
    )
    parser.add_argument(
        "--questions", nargs="+", metavar="FILE", help="chat: JSON Lines of questions; default: those that ship"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write the report there too")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must lie between {low} and {high}")
        return value

    return number


def _run(options: argparse.Namespace) -> int:
    from workbench.domain.errors import WorkbenchError  # noqa: PLC0415 - a command's imports are its own

    debug = options.log_level == "debug"
    try:
        return int(importlib.import_module(f"workbench.cli.{options.command}").run(options))
    except WorkbenchError as error:
        if debug:
            raise
        return _failed(f"{error.message} {error.hint or ''}".strip())
    except KeyboardInterrupt:
        return _failed("stopped")
    except BrokenPipeError:
        return 0
    except Exception as error:  # the boundary of the program: one line, no traceback
        if debug:
            raise
        return _failed(f"something unexpected went wrong ({type(error).__name__}); --log-level debug tells more")


def _failed(text: str) -> int:
    one_line = " ".join(text.split())
    sys.stderr.write(f"workbench: {one_line}\n")
    return 1
