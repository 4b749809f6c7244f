"""The entry point of the command `daypass`.

Owns the shortest way: AWS's tools run `daypass credential-process --profile NAME` in each of their processes, and while
the cache has the credentials, they are printed without the import of the command line, which takes longer than
everything else. Every other command line, and everything unusual, takes the way through main.py.
"""

import atexit
import gc
import os
import sys

# A variable that changes what the command line does with any arguments.
_COMPLETION = "_DAYPASS_COMPLETE"


def main() -> None:
    """Run the command line, or print credentials from the cache."""
    # Most objects of the imports live as long as the process: do not search them for garbage, not even at its end.
    gc.disable()
    atexit.register(gc.freeze)
    profile = _profile_of(sys.argv[1:])
    if profile and _print_cached(profile):
        return
    from daypass.cli import main as command_line

    gc.freeze()
    gc.enable()
    command_line.main()


def _profile_of(arguments: list[str]) -> str:
    """Return the profile of the two usual spellings of the command, or an empty string."""
    if arguments[:1] != ["credential-process"] or _COMPLETION in os.environ or sys.stdout is None:
        return ""
    words = arguments[1:]
    if words[:1] == ["--profile"]:
        del words[0]
    return words[0] if len(words) == 1 and not words[0].startswith("-") else ""


def _print_cached(profile: str) -> bool:
    """Print the credentials of a profile if they are in the cache. Return whether they are."""
    try:
        from daypass.cli.shared.cached_process import find_cached_document

        document = find_cached_document(profile)
    except Exception:  # noqa: BLE001 - the command meets the same error and explains it
        return False
    except KeyboardInterrupt:
        from daypass.cli.main import stop_interrupted

        stop_interrupted()
    if document is None:
        return False
    try:
        sys.stdout.write(document + "\n")
        sys.stdout.flush()
    except Exception as error:  # noqa: BLE001 - as in main.py
        from daypass.cli.main import stop

        stop(error)
    return True
