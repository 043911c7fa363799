"""The command `sonocart`: a table of verbs, each imported only when it is called.

A verb's module has `main(args) -> int`; its docstring and `add_arguments(parser)` are its help, and stand in
a lighter module where it loads much, so that slips of the keys are told at once. The table names modules by
string, so that `sonocart run` loads no torch and the arrows between the packages stay as they are.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn, Protocol, cast

from edge.errors import SonocartError, TransferError, UnavailableError, UsageError
from edge.service.stderr import any_stdout, sound_stderr, worded_warnings

KEYBOARD_INTERRUPT = 130  # 128 + SIGINT, the shell's convention


@dataclass(frozen=True, slots=True)
class Verb:
    """One row of the table: the module that does it and the line that explains it."""

    module: str
    help: str
    extra: str | None = None  # the optional dependencies it needs, named when they are missing
    apart: bool = False  # its help and arguments are in a lighter module, PACKAGE.arguments.NAME


VERBS: dict[str, Verb] = {
    "demo": Verb(
        "export.demo",
        "all of it on a synthetic study: train, export, INT8, live overlay",
        "train",
        apart=True,
    ),
    "phantom": Verb("edge.phantom.command", "make a synthetic study or scanner clip"),
    "study": Verb("export.study", "check and split a study", "train"),
    "train": Verb("export.train", "train a classifier on a study", "train", apart=True),
    "crossval": Verb("export.crossval", "judge a way of training by cross-validation", "train", apart=True),
    "ablate": Verb(
        "export.ablate", "do feature images and measured features help? paired tests", "train", apart=True
    ),
    "export": Verb("export.export", "write a trained run as a bundle", "train", apart=True),
    "evaluate": Verb("export.evaluate", "judge a bundle on cases it has never met", "train", apart=True),
    "calibrate": Verb(
        "calibration.calibrate", "quantise a bundle to INT8 and report what that costs", "train", apart=True
    ),
    "agree": Verb(
        "calibration.agree",
        "compare a precision with FP32 on new images, or fold by fold",
        "train",
        apart=True,
    ),
    "bench": Verb("edge.bench.command", "measure latency, and compare measurements"),
    "accept": Verb(
        "edge.accept.command", "site acceptance: local cases through the whole pipeline", apart=True
    ),
    "gates": Verb(
        "edge.exam.trial", "try the gates on synthetic faults and print how often they are right", apart=True
    ),
    "fields": Verb(
        "edge.exam.field_trial", "try the field finder in noise, and what text a mask would keep", apart=True
    ),
    "follow": Verb("edge.exam.following", "measure how well a marked lesion is followed", apart=True),
    "replay": Verb(
        "edge.blackbox.replay", "run a black box's recording again and compare bit by bit", apart=True
    ),
    "coverage": Verb(
        "edge.exam.coverage", "measure how often the risk's interval holds what it is for", apart=True
    ),
    "signals": Verb(
        "edge.exam.signal_trial",
        "try how surely freeze, stall, lost signal and still probe are told",
        apart=True,
    ),
    "run": Verb("edge.daemon", "live overlay from a video or the synthetic scanner", apart=True),
    "config": Verb("edge.service.config_command", "check a configuration file, or print an example"),
    "devices": Verb(
        "edge.sources.card.command", "list capture cards with formats, rates and signal", apart=True
    ),
    "doctor": Verb("edge.service.doctor", "find all that is missing on this cart, with its fix"),
    "build": Verb(
        "calibration.build", "compile a precision with TensorRT for this machine's GPU", apart=True
    ),
    "advise": Verb(
        "calibration.advise", "measure every precision here and name the best", "train", apart=True
    ),
    "passport": Verb(
        "calibration.passport", "write what an engineer files about an engine", "train", apart=True
    ),
    "sign": Verb("edge.contract.sign_command", "sign a bundle, or make a key pair"),
    "audit": Verb("edge.contract.audit_command", "check the hash chain of an audit log"),
    "verify": Verb("edge.contract.verify_command", "check a bundle's hashes and signature"),
    "dicom": Verb("edge.service.dicom_command", "write DICOM objects and send them to a PACS", "dicom"),
}


class Arguments(Protocol):
    """The module that explains a verb."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the verb's arguments."""


class Work(Protocol):
    """The module that does it."""

    def main(self, args: argparse.Namespace) -> int:
        """Do it and return the exit code."""


class _Parser(argparse.ArgumentParser):
    """argparse with sysexits' code and a pointer to the help."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}{'' if message.endswith('?') else '.'} Run: {self.prog} --help")


def _table() -> str:
    width = max(map(len, VERBS))
    return "\n".join(f"  {name:<{width}}  {verb.help}" for name, verb in VERBS.items())


def usage() -> str:
    """The text of `sonocart --help`."""
    return (
        "usage: sonocart VERB [options]\n\n"
        "Deployment kit for ultrasound carts. Research use only; not a medical device.\n\n"
        f"verbs:\n{_table()}\n\n"
        "`sonocart VERB --help` explains one. `sonocart demo` shows all of it on a synthetic study."
    )


def arguments_of(name: str) -> Arguments:
    """The module with a verb's help and arguments."""
    module = VERBS[name].module
    apart = f"{module.partition('.')[0]}.arguments.{name}"
    return cast(Arguments, importlib.import_module(apart if VERBS[name].apart else module))


@contextmanager
def _naming_what_is_missing(name: str) -> Iterator[None]:
    """A package or library that this machine lacks is an error of one line with its fix."""
    verb = VERBS[name]
    try:
        yield
    except ModuleNotFoundError as error:
        if verb.extra is None or (error.name or "").split(".")[0] in ("edge", "export", "calibration"):
            raise
        raise UnavailableError(
            f"'{name}' needs the package '{error.name}', which is not installed here. "
            f"Run: pip install 'sonocart[{verb.extra}]'"
        ) from error
    except ImportError as error:
        if (error.name or "").split(".")[0] in ("edge", "export", "calibration"):
            raise
        fix = "Install the system library that is named; on Debian: apt-get install libgl1 libglib2.0-0"
        raise UnavailableError(f"'{name}' cannot be loaded: {error}. {fix}") from error


def run(argv: Sequence[str]) -> int:
    """Run one verb; user errors are raised as SonocartError."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage(), file=sys.stdout if argv else sys.stderr)
        return 0 if argv else UsageError.exit_code
    if argv[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"sonocart {version('sonocart')}")
        return 0
    name = argv[0]
    if name not in VERBS:
        close = difflib.get_close_matches(name, VERBS, n=1)
        hint = f"Did you mean '{close[0]}'? " if close else ""
        raise UsageError(f"unknown verb '{name}'. {hint}Run: sonocart --help")
    with _naming_what_is_missing(name):
        arguments = arguments_of(name)
        parser = _Parser(
            prog=f"sonocart {name}",
            description=arguments.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        arguments.add_arguments(parser)
        parsed = parser.parse_args(argv[1:])
        work = cast(Work, importlib.import_module(VERBS[name].module))
        return work.main(parsed)


def _terminated(*_: object) -> NoReturn:
    """Unwind on SIGTERM, so that temporary files are removed and worker processes end."""
    raise SystemExit(128 + signal.SIGTERM)


def _drop_stdout() -> None:
    """Keep the interpreter from flushing to a stdout that cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def entry(argv: Sequence[str] | None = None) -> NoReturn:
    """The console script: maps errors to one line on stderr and a sysexits code."""
    signal.signal(signal.SIGTERM, _terminated)
    any_stdout()
    sound_stderr()
    worded_warnings()
    try:
        code = run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except SonocartError as error:
        print(f"sonocart: {error}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print("sonocart: interrupted", file=sys.stderr)
        code = KEYBOARD_INTERRUPT
    except BrokenPipeError:  # `sonocart ... | head`
        _drop_stdout()
        code = 128 + signal.SIGPIPE
    except OSError as error:  # a full disk behind stdout, or one that a verb did not expect
        print(f"sonocart: {error}", file=sys.stderr)
        _drop_stdout()
        code = TransferError.exit_code
    sys.exit(code)
