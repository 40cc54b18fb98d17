"""``signbit``: finds the command, runs it, turns errors into exit codes.

Only the chosen command's module is imported, so the deployment commands work where torch is not installed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from signbit import __version__
from signbit.cli.command import Command, Parser, emit
from signbit.errors import SignbitError, UnknownNameError

COMMANDS = {
    "demo": "train on digits, export, run natively, verify: all in under a minute",
    "info": "versions, CPU features, instruction-set tiers",
    "list": "methods, models, data sets and recipes that ship",
    "train": "train a network and record the run",
    "eval": "test accuracy of a run or of a .sbn file",
    "export": "write a trained run as one .sbn file",
    "import": "a one-bit ONNX model of another tool as a .sbn file, or weights of another PyTorch project as a run",
    "inspect": "what a .sbn file holds, layer by layer",
    "run": "classify images with a .sbn file",
    "bench": "latency of a .sbn file, beside other engines",
    "compare": "train settings side by side under one protocol, and report on them",
    "sweep": "search over the settings of a run, with pruning, and report on it",
    "landscape": "the loss around trained weights, drawn on one scale for several runs",
    "report": "finished runs side by side: table, significance, commands",
    "bench-train": "time of a binary training step beside its float twin",
}
USAGE = """usage: signbit COMMAND [options]

{commands}

examples:
  signbit demo
  signbit train --method ste --model resnet20 --data cifar10 --data-dir DIR --epochs 10
  signbit export runs/NAME -o model.sbn
  signbit run model.sbn image.png

signbit COMMAND --help shows the options and examples of a command."""


def load(name: str) -> Command:
    """The command called ``name``; unknown names raise with close matches."""
    if name not in COMMANDS:
        raise UnknownNameError("command", name, COMMANDS)
    module = "import_" if name == "import" else name.replace("-", "_")  # a keyword of the language
    command = import_module(f"signbit.cli.{module}").COMMAND
    assert isinstance(command, Command)
    return command


def parser_of(command: Command) -> Parser:
    """The full parser of one command, the options that all commands share included."""
    parser = Parser(
        prog=f"signbit {command.name}",
        description=command.summary[0].upper() + command.summary[1:] + ".",
        epilog="examples:\n" + "\n".join(f"  {line}" for line in command.examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.configure(parser)
    parser.add_argument("--json", action="store_true", help="print the results as one JSON object in the last line")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line. Returns 0, 2 for an explained error, 130 after Ctrl-C, 141 if a pipe's reader has gone."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(USAGE.format(commands="\n".join(f"  {name:<12} {text}" for name, text in COMMANDS.items())))
        return 0 if arguments else 2
    if arguments[0] in {"-V", "--version"}:
        print(f"signbit {__version__}")
        return 0
    try:
        command = load(arguments[0])
        args = parser_of(command).parse(arguments[1:])
        result = command.run(args)
        if args.json:
            emit(result)
    except SignbitError as error:
        if "--debug" in arguments:
            raise
        print(f"signbit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("signbit: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # As `| head` does. What is still in the buffer has nowhere to go when the interpreter flushes it at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return int(result.get("exit_code", 0))
