"""The commands as the user sees them: names, options, help. What they do is in a module each, imported when they run.

Importing only what one command needs keeps ``hearth --help`` and shell completion quick.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer.exceptions import TyperException

import indexer.cli
import indexer.cli.freshness
import indexer.cli_search
from indexer.cli_options import ConfigOption, DataOption, IndexSettings, JsonOption
from indexer.errors import IndexerError
from server.cli import account_commands, backup_commands
from server.cli.output import EXIT_UNEXPECTED, report, report_error, report_unexpected, start_log

if TYPE_CHECKING:
    from server.config import HearthConfig

_EXIT_INTERRUPTED = 130
_EXIT_PIPE_CLOSED = 1
_EXIT_USAGE = 2

app = typer.Typer(
    name="hearth",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A company's own code assistant: completions and explanations from your repositories, in your editor.",
)
engine_app = typer.Typer(no_args_is_help=True, help="Run vLLM as its own process: plan, start, watch, end.")
config_app = typer.Typer(no_args_is_help=True, help="Check and show the settings of hearth.toml.")

EngineOption = Annotated[
    Literal["vllm", "embedded"] | None,
    typer.Option("--engine", help="Ask this engine only, instead of the first that is up.", show_default=False),
]
UrlArgument = Annotated[str, typer.Argument(metavar="URL", help="Where the team server is: https://host[:port].")]
CaOption = Annotated[
    Path | None,
    typer.Option("--ca", metavar="FILE", help="Certificates to trust besides the system's.", show_default=False),
]
KeptTokenOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="Keep it here; `hearth connect` needs it named then.",
        show_default=False,
    ),
]


def main() -> None:
    """Run ``hearth`` with the arguments of this process and exit with its status."""
    as_json = "--json" in sys.argv
    start_log()
    status: object
    try:
        status = app(prog_name="hearth", standalone_mode=False, obj=_index_settings)
        sys.stdout.flush()
    except IndexerError as error:
        report_error(error, as_json=as_json)
        status = error.exit_code
    except TyperException as error:
        _report_usage(error, as_json=as_json)
        status = _EXIT_USAGE
    except (KeyboardInterrupt, typer.Abort):
        status = _EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough (`hearth search … | head`). Python would complain once more when it
        # flushes standard output at exit, so that is pointed somewhere harmless.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = _EXIT_PIPE_CLOSED
    except Exception as error:  # noqa: BLE001  # the last place that can turn it into a message
        report_unexpected(error, as_json=as_json)
        status = EXIT_UNEXPECTED
    try:
        sys.stderr.flush()
    except OSError:
        # A full disk under the log is not the command's failure, which Python would make of it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    sys.exit(status if isinstance(status, int) else 0)


def _index_settings(data: Path | None, config: Path | None) -> IndexSettings:
    """Read the settings for a command of the indexer."""
    from server.config import load  # noqa: PLC0415  # start-up time of the commands that read no settings

    loaded = load(config, data=data).config
    return IndexSettings(loaded.data.directory, loaded.index, loaded.repositories, loaded.repository)


def _report_usage(error: TyperException, *, as_json: bool) -> None:
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if message:
        command = context.command_path if context else "hearth"
        report("usage", message.rstrip("."), f"`{command} --help` says how it is used.", as_json=as_json)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415  # as above

        typer.echo(f"hearth {version('hearth')}")
        raise typer.Exit


def _load(data: Path | None, config: Path | None) -> HearthConfig:
    from server.config import load  # noqa: PLC0415  # as above

    return load(config, data=data).config


@app.callback()
def _hearth(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Hold the options that come before a command."""


indexer.cli.register(app)
indexer.cli.freshness.register(app)
indexer.cli_search.register(app)


@app.command(rich_help_panel="Code")
def complete(
    *,
    place: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE:LINE:COL",
            help="The cursor: line and column from 1, in characters. FILE is a path, or REPO:PATH for an indexed file.",
        ),
    ] = None,
    cases: Annotated[
        Path | None,
        typer.Option("--cases", metavar="FILE", help="Complete every case of a JSONL file instead; see below."),
    ] = None,
    engine: EngineOption = None,
    floor: Annotated[
        float | None,
        typer.Option(
            "--floor", min=0.0, max=1.0, help="With --cases: least confidence of what the embedded engine lists."
        ),
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="With --cases: report a case that is not usable and go on.")
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Complete the code at a cursor, as the editor would show it.

    The file counts as open in an editor: its text on disk wins over the index, and nothing that the index knows of the
    same file is used. An engine that is not sure says nothing.

    `hearth complete src/shop/cart.py:42:9`

    `hearth complete --engine embedded --json shop:src/shop/cart.py:42:9`

    **Many cases**, to measure: `--cases FILE.jsonl --json` reads one case a line,
    `{"id", "repo"?, "ref"?, "path", "offset"}`, where `offset` counts characters; `"prefix"` and `"suffix"` stand in
    for the text of the file. It prints one line for each, in order:
    `{"id", "completions": [{"text", "confidence", "source"}], "ms"}`, best first; a confidence of -1 means that the
    engine has none to give.
    """
    from server.cli.complete import complete_cases, complete_place  # noqa: PLC0415  # start-up time

    if (place is None) == (cases is None):
        raise typer.BadParameter("give either FILE:LINE:COL or --cases FILE")
    if cases is not None:
        complete_cases(
            cases,
            _load(data, config),
            only=engine,
            floor=floor,
            keep_going=keep_going,
            as_json=as_json,
        )
    elif place is not None:
        complete_place(place, _load(data, config), only=engine, as_json=as_json)


@app.command(rich_help_panel="Code")
def explain(
    *,
    place: Annotated[
        str,
        typer.Argument(
            metavar="FILE:LINE[-LINE]",
            help="What to explain: one line means the definition around it. FILE is a path, or REPO:PATH.",
        ),
    ],
    engine: EngineOption = None,
    question: Annotated[str, typer.Option("--question", help="What you want to know about it.")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain code, with the places in your repositories that the explanation rests on.

    `hearth explain src/shop/payments.py:120-160`

    `hearth explain billing:invoice.go:33 --question "Why is this retried?"`
    """
    from server.cli.explain import explain_place  # noqa: PLC0415  # start-up time

    status = explain_place(place, _load(data, config), only=engine, question=question, as_json=as_json)
    raise typer.Exit(status)


@app.command(rich_help_panel="Service")
def lsp(
    log_file: Annotated[
        Path | None, typer.Option("--log-file", metavar="FILE", help="Write the log here.", show_default=False)
    ] = None,
    auto_index: Annotated[
        bool, typer.Option("--auto-index/--no-auto-index", help="Index the repositories that the editor opens.")
    ] = True,
    _stdio: Annotated[bool, typer.Option("--stdio", hidden=True)] = False,  # many editors add it; there is no other way
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Run the language server on standard input and output; editors start this.

    Point any editor that speaks the Language Server Protocol at `hearth lsp`. Standard output carries the protocol and
    nothing else; the log goes to `logs/lsp.log` in the data directory.
    """
    # Modules are made to stay: looking for garbage while they load takes a tenth of the time and finds none.
    gc.disable()
    from server.cli.language_server import serve  # noqa: PLC0415  # start-up time

    gc.freeze()
    gc.enable()
    raise typer.Exit(serve(_load(data, config), log_file=log_file, auto_index=auto_index))


@app.command(rich_help_panel="Service")
def serve(
    *,
    host: Annotated[
        str | None, typer.Option("--host", help="Listen here instead of at `[server] host`.", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65_535, help="Instead of `[server] port`; 0 takes a free one."),
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Run the team's server: completions and explanations for many editors, from one index.

    Editors connect to `/lsp` by WebSocket, or start `hearth connect URL`. The first line of standard output is the
    address that it listens on.
    """
    from server.cli.serve import serve_team  # noqa: PLC0415  # start-up time

    serve_team(_load(data, config), host=host, port=port)


@app.command(rich_help_panel="Service")
def connect(  # the name of a variable, no token  # nosec B107
    url: UrlArgument,
    token_env: Annotated[
        str, typer.Option("--token-env", metavar="NAME", help="Environment variable that holds your token.")
    ] = "HEARTH_TOKEN",  # noqa: S107  # a name, no token
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", metavar="FILE", help="File that holds your token instead.", show_default=False),
    ] = None,
    ca: CaOption = None,
) -> None:
    """Reach the team's server from an editor that starts a process: `hearth lsp`, but on another machine.

    Neovim and every other editor that starts a language server needs nothing else, once you ran `hearth sign-in URL`;
    or name a token that you were given. A lost connection comes back by itself, and your open documents with it; so
    does one that was refused, as soon as you signed in again. The proxy that the environment names is used. There is no
    option for the token itself: other users of the machine could read it.

    `hearth connect https://hearth.example.com`

    `hearth connect https://hearth.example.com --token-file ~/.config/hearth/token`
    """
    from server.cli.connect import connect as run  # noqa: PLC0415  # start-up time

    raise typer.Exit(run(url, token_env=token_env, token_file=token_file, ca_file=ca))


@app.command("sign-in", rich_help_panel="Service")
def sign_in(
    url: UrlArgument,
    *,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page, or only print its address.")
    ] = True,
    token_file: KeptTokenOption = None,
    ca: CaOption = None,
) -> None:
    """Sign the editors of this machine in to the team's server, with a browser.

    It prints the address of a page and a code. Open the page on any machine, sign in there as your company does, and
    let in what shows that code. The token goes into a file that you alone can read, where `hearth connect`
    finds it; editors that wait for it, in Neovim or elsewhere, come back by themselves.

    `hearth sign-in https://hearth.example.com`
    """
    from server.cli.sign_in import sign_in as run  # noqa: PLC0415  # start-up time

    run(url, token_file=token_file, ca_file=ca, browser=browser)


@app.command("sign-out", rich_help_panel="Service")
def sign_out(url: UrlArgument, token_file: KeptTokenOption = None, ca: CaOption = None) -> None:
    """End what `hearth sign-in` began: the server takes the token back, and the file goes."""
    from server.cli.sign_in import sign_out as run  # noqa: PLC0415  # start-up time

    run(url, token_file=token_file, ca_file=ca)


@app.command(rich_help_panel="Service")
def doctor(data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Say what is wrong with this installation, and what to do about it.

    Every line is ok, a warning (something works less well than it could) or a failure. The exit code is 1 when
    something fails.
    """
    from server.cli.doctor import examine_installation  # noqa: PLC0415  # start-up time

    raise typer.Exit(examine_installation(config, data, as_json=as_json))


@app.command(rich_help_panel="Service")
def models(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the families of code models whose prompts Hearth can write, with their licences.

    A model is recognised by its name or by its tokenizer; `format` in the table `[engine.vllm]` of hearth.toml settles
    it otherwise. The table `[models]` names files with more families, and the licences that are allowed.
    """
    from server.cli.models import show  # noqa: PLC0415  # start-up time

    show(_load(None, config), as_json=as_json)


@config_app.command("check")
def config_check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Say everything that is wrong with hearth.toml: file, line, key, and what to do.

    The exit code is 2 when something is.
    """
    from server.cli.configuration import check_file  # noqa: PLC0415  # start-up time

    raise typer.Exit(check_file(config, as_json=as_json))


@config_app.command("show")
def config_show(data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print every setting in force, from hearth.toml and by default, as TOML."""
    from server.cli.configuration import show  # noqa: PLC0415  # start-up time

    show(config, data, as_json=as_json)


@engine_app.command("plan")
def engine_plan(data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the model servers that would be started: memory, command lines, and why each flag is there."""
    from server.cli.engine import launched, show_plan  # noqa: PLC0415  # start-up time

    show_plan(launched(_load(data, config)), as_json=as_json)


@engine_app.command("up")
def engine_up(data: DataOption = None, config: ConfigOption = None) -> None:
    """Start the model servers and keep them up until Ctrl-C.

    A server that ends or no longer answers is started again, after a pause that grows. They listen on Unix sockets or
    on the loopback interface, never on the network, and their output goes to `logs/` in the data directory.
    """
    from server.cli.engine import launched, run_servers  # noqa: PLC0415  # start-up time

    run_servers(launched(_load(data, config)))


@engine_app.command("status")
def engine_status(data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the model servers that run. The exit code is 1 unless all are ready."""
    from server.cli.engine import show_status  # noqa: PLC0415  # start-up time

    raise typer.Exit(show_status(_load(data, config), as_json=as_json))


@engine_app.command("down")
def engine_down(data: DataOption = None, config: ConfigOption = None) -> None:
    """End the model servers that `hearth engine up` runs elsewhere."""
    from server.cli.engine import end_servers  # noqa: PLC0415  # start-up time

    end_servers(_load(data, config))


app.add_typer(engine_app, name="engine", rich_help_panel="Service")
account_commands.register(app)
backup_commands.register(app)
app.add_typer(config_app, name="config", rich_help_panel="Service")
