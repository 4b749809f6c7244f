"""`daypass audit`: ask the audit log, check it, and test its sinks.

Owns the group with `find` and `verify`: the options, the files that are read, and the text. Leaves the search to
audit/story/, the check to audit/chain_check.py, and the commands for sinks to audit_sinks.py. `find` and `verify` read
files alone: they need neither the store nor the master key.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from daypass.cli.operators.audit_sinks import send_test, sinks
from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.store_options import config_option, output_option, print_json, read_config, store_option
from daypass.counted import counted

if TYPE_CHECKING:
    from daypass.audit.chain_check import ChainReport
    from daypass.audit.story.stories import KeyStory, SignInStory, Story

T = TypeVar("T")

_MOST_SHOWN = 8  # actions, sources and keys on one line
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?Z?)?")
_INDENT = 10

_log_option = click.option(
    "--log",
    "logs",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A file of the log, as often as needed. Default: the audit log of the settings, with its rotated files.",
)


@click.group()
def command() -> None:
    """Find out whose key it is, check the audit log, and test its sinks.

    `find` and `verify` read the log with the files that logrotate moved away and compressed with gzip.
    """


command.add_command(sinks)
command.add_command(send_test)


def _read_time(_context: click.Context, option: click.Parameter, text: str | None) -> str:
    if text is None:
        return ""
    if not _TIME.fullmatch(text):
        raise click.BadParameter("write it as 2026-11-30 or 2026-11-30T22:15:00Z, in UTC.")
    text = text.removesuffix("Z")
    end = "T23:59:59" if option.name == "until" else "T00:00:00"
    whole = text + end[len(text) - len("2026-11-30") :] if len(text) < len("2026-11-30T00:00:00") else text
    return f"{whole}Z"


@command.command()
@click.option("--key", metavar="ID", help="An access key ID, such as ASIA….")
@click.option("--person", metavar="NAME", help="A person: the subject or session name, or an IAM user.")
@click.option("--role", metavar="ROLE", help="A role: its ARN or its name.")
@click.option("--since", metavar="TIME", callback=_read_time, help="Leave out earlier calls (UTC).")
@click.option("--until", metavar="TIME", callback=_read_time, help="Leave out later calls (UTC).")
@_log_option
@store_option
@config_option
@output_option
def find(  # noqa: PLR0913 - one parameter an option
    *,
    key: str | None,
    person: str | None,
    role: str | None,
    since: str,
    until: str,
    logs: tuple[Path, ...],
    store: str | None,
    config_file: Path | None,
    output: str,
) -> None:
    """Tell the story of a key: its person, role, calls and later keys."""
    from daypass.audit.log_files import read_blocks
    from daypass.audit.story.tracer import Question, Tracer

    if sum(bool(each) for each in (key, person, role)) != 1:
        raise click.UsageError("Use exactly one of --key, --person and --role.")
    files = _files(logs, store, config_file)
    question = Question(key or "", person or "", role or "", since, until)

    def read() -> Iterator[bytes]:
        for file in files:
            yield from read_blocks(file)

    story = _reading(lambda: Tracer(question).trace(read))
    story.files = [str(file) for file in files]
    if output == "json":
        _print_document(story)
    else:
        _print_story(story)


@command.command()
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--expect",
    "expected",
    metavar="DIGEST",
    multiple=True,
    help="A digest that an earlier check printed. The check fails if its line is gone.",
)
@click.option("--complete", is_flag=True, help="The files begin with the log: every chain must begin with line 1.")
@store_option
@config_option
@output_option
def verify(
    *,
    files: tuple[Path, ...],
    expected: tuple[str, ...],
    complete: bool,
    store: str | None,
    config_file: Path | None,
    output: str,
) -> None:
    """Check the hash chains: find changed, removed, added and moved lines.

    Prints the digest of the last line of each chain. Store them elsewhere, and give them to the next check with
    --expect: only they prove that the end of the log was not cut off. Ends with exit code 4 if the log was changed.
    """
    from daypass.audit.chain_check import check_chains
    from daypass.audit.log_files import read_lines

    for digest in expected:
        if not _DIGEST.fullmatch(digest):
            raise click.BadParameter(f"{digest!r} is not a digest: 64 characters of 0-9 and a-f.")
    read = _files(files, store, config_file)
    report = _reading(lambda: check_chains(read_lines(read), frozenset(expected), is_complete=complete))
    if output == "json":
        _print_document(report)
    else:
        _print_report(report, read)
    if report.finding_count:
        raise SystemExit(int(Exit.REFUSED))


def _files(named: tuple[Path, ...], store: str | None, config_file: Path | None) -> list[Path]:
    """Return the files in the order of their events. Stops with exit code 6 if there are none."""
    from daypass.audit.log_files import in_order, rotated_files

    if named:
        missing = [str(file) for file in named if not file.is_file()]
        if missing:
            raise CommandError(f"{', '.join(missing)} does not exist or is not a file.", Exit.CONFIGURATION)
        return _reading(lambda: in_order(named))
    from daypass.wiring_audit import audit_target

    target = audit_target(read_config({"store": store}, config_file))
    if target in {"-", "none"}:
        raise CommandError(
            "The settings name no audit log file. Name the files: --log FILE with find, FILE with verify.",
            Exit.CONFIGURATION,
        )
    if not Path(target).is_file():
        raise CommandError(
            f"The audit log {target} does not exist. Name another one, or the --store or --config of the server.",
            Exit.CONFIGURATION,
        )
    return _reading(lambda: rotated_files(Path(target)))


def _reading(read: Callable[[], T]) -> T:
    from daypass.audit.log_files import LogFileError

    try:
        return read()
    except LogFileError as problem:
        raise CommandError(f"{problem}.", Exit.CONFIGURATION) from problem


def _print_document(document: Any) -> None:
    import msgspec

    print_json(msgspec.to_builtins(document))


def _print_report(report: "ChainReport", files: list[Path]) -> None:
    for each in report.findings:
        place = f"{each.file}:{each.line}: " if each.file else ""
        click.echo(f"{place}{each.message}")
    for note in report.notes:
        click.echo(f"note: {note}")
    for chain in report.chains:
        begins = f"follows {chain.follows}" if chain.follows else f"begins at {chain.begins_at}"
        click.echo(f"chain {chain.id}: lines {chain.first} to {chain.last}, {begins}, last digest {chain.digest}")
    older = f", and {report.unchained} of an older server, not protected" if report.unchained else ""
    click.echo(f"{counted(report.lines, 'line')} in {counted(len(files), 'file')}{older}.")
    if report.finding_count:
        click.echo(f"The log was changed or damaged: {counted(report.finding_count, 'finding')}.")
    elif not report.chains:
        click.echo("No line is in a chain: there is nothing to check.")
    else:
        click.echo("No line was changed, removed, added or moved. The end of a chain is proven by --expect alone.")


def _print_story(story: "Story") -> None:
    keys, asked = {each.access_key_id: each for each in story.keys}, set(story.asked)
    if not story.asked and not story.sign_ins:
        click.echo(f"No event of these files is about the {_shown(story.question)}.")
    for sign_in in story.sign_ins:
        _print_sign_in(sign_in)
    for name in story.asked:
        _print_key(keys[name], is_asked=True)
    origins = [each for name in story.asked for each in keys[name].issued_from]
    for name in dict.fromkeys(origins):
        if name in keys and name not in asked and keys[name].issued:
            _print_key(keys[name], is_asked=False)
    for each in story.keys:
        if each.access_key_id not in asked and each.access_key_id not in origins:
            _print_key(each, is_asked=True)
    if story.more_keys:
        click.echo(f"{counted(story.more_keys, 'more key')}: use --since, --until or --key.")
    others = f", {story.other_lines} of them not events" if story.other_lines else ""
    click.echo(f"Read {counted(story.lines, 'line')}{others} in {', '.join(story.files)}.")


def _print_sign_in(sign_in: "SignInStory") -> None:
    click.echo(f"Sign-in {_shown(sign_in.id)}")
    if sign_in.person:
        _row("person", sign_in.person)
    for each in sign_in.begun[:1]:
        _row("begun", f"{each.time} by {each.event} from {each.source}, {each.user_agent}")
    for each in sign_in.steps[:_MOST_SHOWN]:
        _row("step", f"{each.time} {each.event} from {each.source}, {each.user_agent}")
    for each in sign_in.ended:
        _row("ended", f"{each.time} by {each.event} of {each.caller} from {each.source}")
    if sign_in.keys:
        _row("keys", _few(sign_in.keys))
    click.echo()


def _print_key(key: "KeyStory", *, is_asked: bool) -> None:
    click.echo(f"Access key {_shown(key.access_key_id)}")
    if not key.issued:
        _row("issued", "not in these files: earlier, by a server before 0.2.0, or a key that was imported")
    for each in key.issued:
        _row("issued", f"{each.time} by {each.event} from {each.source}, {each.user_agent}")
    for name, value in (
        ("caller", key.caller),
        ("role", key.role),
        ("session", key.session),
        ("expires", key.expires),
        ("sign-in", key.sign_in),
        ("from", " > ".join(key.issued_from)),
    ):
        if value:
            _row(name, value)
    if is_asked:
        _print_usage(key)
    for each in key.revoked:
        _row("revoked", f"{each.time} by {each.event} of {each.caller} from {each.source}")
    if key.issued_keys and is_asked:
        more = f" and {key.more_issued_keys} more" if key.more_issued_keys else ""
        _row("led to", _few(key.issued_keys) + more)
    click.echo()


def _print_usage(key: "KeyStory") -> None:
    usage = key.usage
    if not usage.calls:
        _row("used", "not in these files")
        return
    refused = f", {usage.refused} refused" if usage.refused else ""
    sources = _few(usage.sources) + (" and more" if usage.more_sources else "")
    _row("used", f"{counted(usage.calls, 'call')}{refused}, {usage.first} to {usage.last}, from {sources}")
    _row("calls", _few([f"{name} {count}" for name, count in usage.actions.most_common()]))
    if usage.errors:
        _row("refused", _few([f"{name} {count}" for name, count in usage.errors.most_common()]))


def _row(name: str, text: str) -> None:
    click.echo(f"  {name:<{_INDENT}}{_shown(text)}")


def _few(words: list[str]) -> str:
    more = len(words) - _MOST_SHOWN
    return ", ".join(words[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _shown(text: str) -> str:
    """Return a string of a caller without what a terminal would interpret."""
    from daypass.wire.visible_text import visible

    return visible(text)
