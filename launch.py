"""Start the workbench on a machine that has nothing but Python.

    python launch.py [options of `workbench serve`]     start it and open a browser
    python launch.py test [pytest arguments]            install the tests, find a browser, run everything (or,
                                                        given arguments, what those ask for)
    python launch.py lint                               install the linters, run them

The first start makes `.venv` beside this file and installs the project there; later ones take no install
step. Where this Python already has the project installed, nothing is installed and that one is used.
"""

import sys

# Plain enough for Python 3.6 to parse, so that an older Python reaches this line.
if sys.version_info < (3, 11):  # noqa: UP036 - the check is for the Python that is too old
    sys.exit("The workbench needs Python 3.11 or newer; this is Python %d.%d." % sys.version_info[:2])  # noqa: UP031

import configparser
import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import urlsplit
from urllib.request import url2pathname

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
OURS = VENV / "launch"
STAMP, UNFINISHED, LOG, LOCK = (OURS / name for name in ("installed.json", "unfinished", "install.log", "lock"))
LAYOUT = 1
"""Raised when an environment made by an older launch.py must be made anew."""

WINDOWS = sys.platform == "win32"
PROJECT = "imaging-workbench"
SERVE = "import sys; sys.argv[0] = 'workbench'; from workbench.cli import main; sys.exit(main())"
EVERYTHING = ("--numprocesses", "logical", "--maxprocesses", "4", "--dist", "loadfile")
"""Side by side, a file at a time: tests of a file share servers, and each process has a browser of its own."""
LINTERS = (
    ("ruff", "format", "--check", "."),
    ("ruff", "check", "."),
    ("mypy", "--strict", "workbench"),
    ("lint-imports",),
)


class LaunchError(Exception):
    """Something that ends the start; its text is the one line to show."""


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks for; the exit status is 0, 1 (told in one line) or 2 (wrong usage)."""
    command = arguments[0] if arguments and not arguments[0].startswith("-") else "serve"
    if command not in ("serve", "test", "lint"):
        sys.stderr.write(f"launch.py knows `test` and `lint`; `{command}` belongs after `workbench`.\n")
        return 2
    rest = list(arguments if not arguments or arguments[0] != command else arguments[1:])
    if command == "serve" and {"-h", "--help"} & set(rest) and not is_installed_here(()):
        print(__doc__)
        return 0
    signal.signal(signal.SIGTERM, _stop)
    try:
        return {"serve": serve, "test": test, "lint": lint}[command](rest)
    except LaunchError as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        return 130


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def serve(options: list[str]) -> int:
    """Start the workbench from the caller's folder, so that paths in the options mean what they say."""
    python = prepared(())
    print("Starting the workbench …", flush=True)
    return become([str(python), "-P", "-c", SERVE, "serve", *options])


def test(options: list[str]) -> int:
    """Run the tests in the project's folder with a browser that starts."""
    python = prepared(("test",))
    browser = find_browser(python)
    print(f"Testing with {Path(browser).name} …", flush=True)
    os.environ["WORKBENCH_BROWSER"] = browser
    os.chdir(ROOT)
    return become([str(python), "-m", "pytest", *(options or EVERYTHING)])


def lint(options: list[str]) -> int:
    """Run every linter, also after one of them has complained."""
    if options:
        sys.stderr.write("`launch.py lint` takes no arguments.\n")
        return 2
    python = prepared(("dev",))
    tools = python.parent
    failed = []
    for name, *rest in LINTERS:
        print(f"{name} {' '.join(rest)}".rstrip(), flush=True)
        program = shutil.which(name, path=str(tools)) or name
        if run([program, *rest], cwd=ROOT) != 0:
            failed.append(name)
    if failed:
        raise LaunchError(f"Linters that complained: {', '.join(failed)}.")
    return 0


def become(command: list[str]) -> int:
    """Replace this process by `command`, so that every signal reaches it and no orphan can stay behind."""
    if not WINDOWS:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted
    return run(command)


def run(command: Sequence[str], cwd: Path | None = None) -> int:
    """Run a command to its end. A signal that ends this process ends the command first."""
    child = subprocess.Popen(command, cwd=cwd)
    try:
        return child.wait()
    except KeyboardInterrupt:
        # The terminal has sent the child the same Ctrl-C: let it finish in its own way.
        return child.wait()
    finally:
        end(child)


def end(child: "subprocess.Popen[str] | subprocess.Popen[bytes]", *, with_its_own: bool = False) -> None:
    """Stop a child that is still running, politely first; `with_its_own` children where it leads a group."""
    if child.poll() is not None:
        return
    if with_its_own and sys.platform != "win32":
        os.killpg(child.pid, signal.SIGTERM)
    else:
        child.terminate()
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


# What is installed, and where


def prepared(extras: tuple[str, ...]) -> Path:
    """The Python that has the project and the extras' packages, installed now if need be."""
    if is_installed_here(extras):
        return Path(sys.executable)
    if not is_current(extras):
        with only_one_at_a_time():
            if not is_current(extras):
                install(extras)
    return venv_python()


def is_installed_here(extras: Sequence[str]) -> bool:
    """Whether this Python has the project, and every package that it and the extras ask for."""
    try:
        if is_another_checkout(importlib.metadata.distribution(PROJECT)):
            return False
        for name in required_names(extras):
            importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return importlib.util.find_spec("workbench") is not None


def is_another_checkout(found: importlib.metadata.Distribution) -> bool:
    """Whether the installed project is an editable one of another folder (PEP 610: `direct_url.json`)."""
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    if not origin.get("dir_info", {}).get("editable"):
        return False
    return Path(url2pathname(urlsplit(origin["url"]).path)).resolve() != ROOT


def required_names(extras: Sequence[str]) -> list[str]:
    """Names of the packages asked for on every platform; one with a marker may rightly be absent."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *(each for extra in extras for each in project["optional-dependencies"][extra])]
    return [re.split(r"[^A-Za-z0-9._-]", each, maxsplit=1)[0] for each in wanted if ";" not in each]


def venv_python() -> Path:
    """The interpreter inside `.venv`."""
    return VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")


def place() -> str:
    """What an environment is bound to: this folder, and the Python it was made from."""
    return repr((LAYOUT, str(ROOT), sys.version_info[:2], sys.base_prefix, platform.machine()))


def project() -> str:
    """Digest of what decides which packages belong in."""
    return hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()


def stamp() -> dict[str, Any]:
    """What the last finished install wrote down; empty where there was none."""
    try:
        read = json.loads(STAMP.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) and isinstance(read.get("extras"), list) else {}


def is_current(extras: Sequence[str]) -> bool:
    """Whether `.venv` was installed to the end, from this very project, with at least these extras."""
    found = stamp()
    fits = found.get("place") == place() and found.get("project") == project() and venv_python().exists()
    return fits and set(extras) <= set(found["extras"]) and not UNFINISHED.exists()


@contextlib.contextmanager
def only_one_at_a_time() -> Iterator[None]:
    """Hold the install lock. It dies with the process, so a killed install leaves none behind."""
    try:
        OURS.mkdir(parents=True, exist_ok=True)
        file = LOCK.open("a+b")
    except OSError as error:
        raise LaunchError(f"Cannot write .venv beside launch.py: {error.strerror}.") from error
    with file:
        told = False
        while not _locked(file.fileno()):
            if not told:
                print("Another start is installing; waiting for it …", flush=True)
                told = True
            time.sleep(0.3)
        yield


def _locked(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


# Installing


def install(extras: Sequence[str]) -> None:
    """Bring `.venv` to what the project asks for; the stamp is written only at the very end.

    Extras that are there already stay. What an interrupted or failed install left behind is made anew.
    """
    found = stamp()
    wanted = sorted({*extras, *found.get("extras", ())})
    moved = bool(found) and found["place"] != place()
    usable = not moved and not UNFINISHED.exists() and works(venv_python())
    tools = installers()
    print(f"Installing the workbench into .venv with {tools[0]} (once; a minute or two) …", flush=True)
    began = time.monotonic()
    try:
        UNFINISHED.touch()
        STAMP.unlink(missing_ok=True)
        LOG.write_text("", "utf-8")
        for number, tool in enumerate(tools):
            try:
                install_with(tool, wanted, anew=not usable or number > 0)
            except LaunchError:
                if number + 1 == len(tools):
                    raise
                print(f"{tool} could not do it; trying {tools[number + 1]} …", flush=True)
            else:
                break
        STAMP.write_text(json.dumps({"place": place(), "project": project(), "extras": wanted}), "utf-8")
        UNFINISHED.unlink()
    except OSError as error:
        raise LaunchError(f"The install failed: {error.strerror or error}.") from error
    print(f"Installed in {time.monotonic() - began:.0f} s.", flush=True)


def installers() -> list[str]:
    """Who installs, in order of trial.

    uv does not read pip's configuration; where that says whence packages come, pip goes first.
    """
    has_pip = all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))
    able = [name for name, there in (("uv", shutil.which("uv")), ("pip", has_pip)) if there]
    if not able:
        raise LaunchError(
            "This Python cannot make environments: install its venv package (Debian: python3-venv) or uv."
        )
    return able[::-1] if pip_is_configured() else able


def pip_is_configured() -> bool:
    """Whether pip was told, by a variable or a file, where packages come from or how to get there."""
    telling = {"index-url", "extra-index-url", "find-links", "no-index", "proxy", "cert", "client-cert", "trusted-host"}
    if any(os.environ.get("PIP_" + name.replace("-", "_").upper()) for name in telling):
        return True
    parser = configparser.RawConfigParser(strict=False)
    for path in pip_files():
        with contextlib.suppress(OSError, UnicodeDecodeError, configparser.Error):
            parser.read(path, encoding="utf-8")
    # Keys may be written with dashes or underscores.
    return any(key.replace("_", "-") in telling for section in parser.sections() for key, _ in parser.items(section))


def pip_files() -> list[Path]:
    """Places of pip's configuration (pip's user guide, "Configuration": location)."""
    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = Path(os.path.expanduser("~"))
    if WINDOWS:
        folders = [Path(os.environ.get(name, home)) / "pip" for name in ("PROGRAMDATA", "APPDATA")] + [home / "pip"]
        found = [folder / "pip.ini" for folder in folders]
    else:
        xdg = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        own = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        found = [
            Path("/etc/pip.conf"),
            *(Path(folder, "pip", "pip.conf") for folder in xdg.split(":")),
            Path("/Library/Application Support/pip/pip.conf"),
            home / "Library/Application Support/pip/pip.conf",
            home / ".pip/pip.conf",
            own / "pip/pip.conf",
        ]
    site = Path(sys.prefix) / ("pip.ini" if WINDOWS else "pip.conf")
    return [*found, site, *([Path(named)] if named else [])]


def install_with(tool: str, extras: Sequence[str], *, anew: bool) -> None:
    """Make the environment if need be, then install the project into it."""
    target = ".[" + ",".join(extras) + "]" if extras else "."
    if anew:
        for each in VENV.iterdir():
            if each != OURS:
                shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
        # Not sys.executable: that may be the environment that was just emptied.
        base = getattr(sys, "_base_executable", sys.executable)
        makers = {"uv": ["uv", "venv", "--allow-existing", "--python", base], "pip": [base, "-m", "venv"]}
        logged([*makers[tool], ".venv"])
    python = str(venv_python())
    if tool == "uv":
        logged(["uv", "pip", "install", "--python", python, "--editable", target])
        return
    if not works(venv_python(), "import pip"):
        logged([python, "-m", "ensurepip", "--upgrade"])
    logged([python, "-m", "pip", "install", "--no-input", "--progress-bar", "off", "--editable", target])


def works(python: Path, statement: str = "") -> bool:
    """Whether that interpreter runs, is of this version, and can execute the statement."""
    check = f"import sys; assert sys.version_info[:2] == {tuple(sys.version_info[:2])!r}; {statement}"
    try:
        return subprocess.run([str(python), "-c", check], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def logged(command: list[str]) -> None:
    """Run one step of an install, its output in the log and its packages on the terminal.

    Raises:
        LaunchError: with the package it failed on and the likeliest reason.
    """
    # A variable or setting of the person's that sends packages elsewhere would miss the environment.
    quiet = {**os.environ, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUTF8": "1", "NO_COLOR": "1"}
    lines: list[str] = []
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(command[1:] if Path(command[0]).is_absolute() else command)}\n")
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env=quiet,
            text=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=None if WINDOWS else 0,
        )
        try:
            for line in child.stdout or ():
                log.write(line)
                lines.append(line.rstrip())
                show(line)
            child.wait()
        finally:
            end(child, with_its_own=True)
            show("")
    if child.returncode:
        raise LaunchError(f"{explain(lines)} Details: {LOG.relative_to(ROOT)}. The next start tries again.")


def show(line: str) -> None:
    """Let a person at a terminal see what is being fetched; an empty line wipes it."""
    if sys.stdout.isatty():
        found = re.match(r"(?:Collecting|Downloading|Installing collected|Building)\s+(\S+)", line.strip())
        if found or not line:
            print(f"\r  {found[1] if found else '':<60.60}\r", end="", flush=True)


PACKAGE_PATTERNS = (
    r"No matching distribution found for ([\w.-]+)",
    r"Could not find a version that satisfies the requirement ([\w.-]+)",
    r"Failed (?:building wheel for|to build|to download|to download and build) [`']?([\w.-]+?)(?:==|[`'\s@]|$)",
    r"/simple/([\w.-]+)/",
    r"Because ([\w.-]+?)(?:[<>=!~,\d. ]*)? (?:was not found|has no|is not)",
    r"ERROR: .*?([\w.-]+)-[\d.]+(?:-[\w.]+)*\.(?:whl|tar\.gz)",
    r"Collecting ([\w.-]+)",
)
REASONS = (
    (r"No space left on device|os error 28|Errno 28", "the disk is full"),
    (r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|SSLError", "the package index's certificate is not trusted"),
    (r"40[137] (?:Client Error|Unauthorized|Forbidden|Proxy)|ProxyError", "the proxy or package index refused"),
    (
        r"Connection refused|NewConnectionError|NameResolutionError|Temporary failure in name resolution"
        r"|Max retries exceeded|Read timed out|Connection(?:Reset|Timeout|broken)|error sending request|dns error"
        r"|Failed to fetch|Network is unreachable|tcp connect error",
        "the package index could not be reached over the network",
    ),
    (
        r"no wheels? with a matching|Failed (?:building wheel|to build)|is not a supported wheel|from versions: none"
        r"|Requires-Python",
        "the index has no build of it for this Python and platform",
    ),
    (r"DO NOT MATCH THE HASHES|hash mismatch", "the download is damaged"),
    (r"Permission denied|Errno 13", "a file or folder may not be written"),
    (r"ensurepip is not available", "this Python lacks its venv package (Debian: apt-get install python3-venv)"),
    (r"ResolutionImpossible|conflicting dependencies|unsatisfiable", "its versions contradict another package's"),
)


def explain(lines: Sequence[str]) -> str:
    """One sentence from an installer's output: which package failed, and why as far as can be known."""
    text = "\n".join(lines)
    found = [name for pattern in PACKAGE_PATTERNS for name in re.findall(pattern, text)[-1:]]
    package = found[0] if found else None
    reason = next((reason for pattern, reason in REASONS if re.search(pattern, text)), None)
    what = f"Installing {package} failed" if package else "Making the environment failed"
    return f"{what}: {reason or 'the installer gives its reason in the log'}."


# A browser for the tests

BROWSERS = (
    "chromium-headless-shell",  # first, for it draws no window around the page and so takes a quarter less work
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "microsoft-edge-stable",
    "msedge",
    "brave-browser",
    "brave",
)
MAC_BROWSERS = ("Google Chrome", "Chromium", "Microsoft Edge", "Brave Browser")
WINDOWS_BROWSERS = (
    "Google/Chrome/Application/chrome.exe",
    "Chromium/Application/chrome.exe",
    "Microsoft/Edge/Application/msedge.exe",
    "BraveSoftware/Brave-Browser/Application/brave.exe",
)


def find_browser(python: Path) -> str:
    """A Chromium-like browser that starts: the one named, an installed one, Playwright's, or Debian's."""
    named = os.environ.get("WORKBENCH_BROWSER")
    if named:
        path = shutil.which(named)
        if path is None or not starts(path):
            raise LaunchError("The browser that WORKBENCH_BROWSER names does not start.")
        return path
    there = next(filter(starts, installed_browsers()), None) or playwrights(python)
    if there is None:
        print("No browser found; fetching Chromium …", flush=True)
        there = fetched_by_playwright(python) or fetched_by_debian()
    if there is None:
        raise LaunchError(
            "The tests need a browser and none could be had: install Chromium or name one in WORKBENCH_BROWSER."
        )
    return there


def installed_browsers() -> Iterator[str]:
    """Browsers on the path, then in each system's usual places."""
    yield from filter(None, map(shutil.which, BROWSERS))
    if sys.platform == "darwin":
        for name in MAC_BROWSERS:
            for folder in (Path("/Applications"), Path.home() / "Applications"):
                yield str(folder / f"{name}.app/Contents/MacOS/{name}")
    for variable in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA") if WINDOWS else ():
        for name in WINDOWS_BROWSERS:
            yield str(Path(os.environ.get(variable, "C:/Program Files")) / name)


def starts(browser: str) -> bool:
    """Whether the program runs; a placeholder that asks for a snap, or one without its libraries, does not."""
    if not os.access(browser, os.X_OK) or not Path(browser).is_file():
        return False
    if WINDOWS:
        return True  # `--version` would open a window there
    return succeeds([browser, "--version"], 60)


def succeeds(command: Sequence[str], timeout_s: float) -> bool:
    """Whether a command ends well in time; its output is dropped."""
    try:
        return subprocess.run(command, capture_output=True, timeout=timeout_s).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def playwrights(python: Path) -> str | None:
    """The Chromium that Playwright keeps, where it has one that starts."""
    ask = "from playwright.sync_api import sync_playwright as s\nwith s() as p: print(p.chromium.executable_path)"
    answer = subprocess.run([str(python), "-c", ask], capture_output=True, text=True)
    path = answer.stdout.strip()
    return path if answer.returncode == 0 and starts(path) else None


def fetched_by_playwright(python: Path) -> str | None:
    """Playwright's own Chromium, downloaded into its cache."""
    return playwrights(python) if succeeds([str(python), "-m", "playwright", "install", "chromium"], 900) else None


def fetched_by_debian() -> str | None:
    """Debian's Chromium with a font, where this is Debian and we may install."""
    if not Path("/etc/debian_version").exists() or os.geteuid() != 0:
        return None
    os.environ.setdefault("DEBIAN_FRONTEND", "noninteractive")
    packages = ["chromium", "fonts-dejavu-core"]
    succeeds(["apt-get", "update"], 600)
    if not succeeds(["apt-get", "install", "-y", "--no-install-recommends", *packages], 1200):
        return None
    return next(filter(starts, installed_browsers()), None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
