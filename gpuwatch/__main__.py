"""The command line: calls a verb, and turns what goes wrong into one line and an exit status."""

from __future__ import annotations

import os
import signal
import sys

# No more is imported before `main` is ready for a Ctrl-C.


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit: 0, the wrapped command's own status, or an error's code (2 for a wrong call)."""
    _open_closed()
    try:
        code = _call(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has enough; the interpreter's own flush at exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1  # as click says it for its own output
    except OSError as error:
        # A full disk under the redirected output: what click could not flush must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"gpuwatch: output: {error.strerror or error}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        _die_of_interrupt()
        code = 128 + signal.SIGINT
    sys.exit(code)


def _call(args: list[str] | None) -> int:
    import click

    from gpuwatch.errors import GpuwatchError
    from gpuwatch.verbs import cli

    try:
        code = cli.main(args, prog_name="gpuwatch", standalone_mode=False)
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except GpuwatchError as error:
        click.echo(f"gpuwatch: {error}", err=True)
        return error.exit_code
    except BrokenPipeError:
        raise
    except OSError as error:
        if os.environ.get("GPUWATCH_DEBUG"):
            raise
        what = f"{error.filename}: {error.strerror}" if error.filename else f"output: {error.strerror or error}"
        click.echo(f"gpuwatch: {what}", err=True)
        return 1
    except Exception as error:
        if os.environ.get("GPUWATCH_DEBUG"):
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        click.echo(f"gpuwatch: {what}. This is gpuwatch's own fault; GPUWATCH_DEBUG=1 shows where", err=True)
        return 1
    return code if isinstance(code, int) else 0


def _open_closed() -> None:
    # Started with a closed descriptor (>&-, some daemons): Python leaves None there. Ours is closed again in the command.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def _die_of_interrupt() -> None:
    # A shell loop stops only when its command was killed by the signal, not when it exits with 130.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    main()
