"""``distil serve``: the model behind OpenAI's completions API."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from ..models import ModelFile
from ..terminal import Terminal
from .shared.adapters import adapted
from .shared.extras import check_extra
from .shared.model_options import ModelOptions
from .shared.offload import notice_loading
from .shared.options import Quiet, check_at_least_one
from .shared.record import client_name

if TYPE_CHECKING:
    from ..serve.address import Address

EXAMPLES = """\b
Examples:
  distil serve
  distil serve --model demo --port 0
  distil serve --alias gpt-3.5-turbo-instruct --alias davinci-002
  DISTIL_API_KEY=$(cat key) distil serve --host 0.0.0.0
  distil serve --allow-origin http://localhost:3000
  curl http://127.0.0.1:8000/v1/completions -H 'Content-Type: application/json' \\
    -d '{"prompt": "Once upon a time", "max_tokens": 30}'
"""


_SCHEME = re.compile("[a-z][a-z0-9+.-]*")
_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d+)?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
"""What browsers leave out."""


@dataclass(frozen=True)
class _AddressOptions:
    """Where to listen, and who may use the server."""

    host: Annotated[
        str,
        typer.Option(
            metavar="HOST", help="Address to listen on, or host name, for all of its addresses."
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        typer.Option(
            "--port", "-p", metavar="N", min=0, max=65535, help="Port; 0 picks a free one."
        ),
    ] = 8000
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="DISTIL_API_KEY",
            metavar="KEY",
            help="API key required of clients; better in the environment, which ps does not show.",
            show_default=False,
        ),
    ] = None
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Allow access without a key on a non-local host.")
    ] = False
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="Let web pages of this site use the server; * for all; can be repeated.",
        ),
    ] = None

    def address(self) -> "Address":
        """Return the address, after checking that nobody is let in by mistake.

        Raises:
            UsageError: the options do not go together, or one can't be used.
        """
        from ..serve.address import Address

        _check_key(self.api_key)
        origins = tuple(_origin(each) for each in self.allow_origin or ())
        address = Address(self.host, self.port, self.api_key, origins)
        _check_access(address, self.no_auth)
        return address


def serve(
    *,
    model: ModelOptions,
    alias: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Further name of the model for clients; can be repeated."
        ),
    ] = None,
    where: _AddressOptions,
    parallel: Annotated[
        int, typer.Option(metavar="N", help="Completions to compute at once.")
    ] = 16,
    queue: Annotated[
        int, typer.Option(metavar="N", help="Completions that can wait; further ones are refused.")
    ] = 512,
    max_tokens: Annotated[
        int, typer.Option(metavar="N", help="Most tokens that a request can ask for.")
    ] = 2048,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time limit for an answer.")
    ] = 300,
    score_together: Annotated[
        bool,
        typer.Option(
            "--score-together",
            help="Score prompts of a request together: faster with max_tokens 0, in other digits.",
        ),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse requests with fields that are not known.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Serve the model over HTTP, as OpenAI's completions API.

    Concurrent requests are computed together. A page to write on is at /. The addresses, and a line
    for each request, go to standard error. Ctrl-C or SIGTERM stops the server with status 0 after
    it has answered all running requests; a second one stops it at once.
    """
    terminal = Terminal.system(quiet=quiet)
    for name, value in (("parallel", parallel), ("max-tokens", max_tokens)):
        check_at_least_one(name, value)
    if "" in (alias or ()):
        raise UsageError("--alias is empty.", "Give it a name.")
    if queue < 0:
        raise UsageError(f"--queue can't be {queue}.", "Use 0 or more.")
    if not 0 < timeout <= 1e6:
        raise UsageError(
            f"--timeout can't be {timeout:g}.", "Use more than 0 and at most 1000000 seconds."
        )
    offload = model.offload
    modules = ("starlette", "uvicorn", "httptools")
    check_extra("serve", "distil serve", ["Starlette", "uvicorn"], modules)
    from ..serve import server
    from ..serve.service import Limits

    address = where.address()
    limits = Limits(
        parallel,
        queue,
        max_tokens,
        seconds=timeout,
        strict=strict,
        score_together=score_together,
    )
    if "*" in address.origins and not address.api_key:
        terminal.notice("--allow-origin * lets every website use this server. Set DISTIL_API_KEY.")
    file = model.locate(terminal)
    from ..engine.llama.loading import load

    names = _names(file, alias or ())
    with address.listen() as listeners:
        terminal.notice(f"Loading {names[0]}.")
        with load(adapted(file), offload) as loaded:
            notice_loading(terminal, loaded.placement)
            for number, adapter in enumerate(file.adapters):
                terminal.notice(f"Adapter {number}: {adapter.name}, scale {adapter.scale:g}.")
            server.serve(
                loaded,
                names,
                int(file.path.stat().st_mtime),
                limits,
                address,
                listeners,
                threads=model.thread_count,
                say=terminal.notice,
            )


def _names(file: ModelFile, aliases: Sequence[str]) -> Sequence[str]:
    """Return the model's names for clients, each once: that of its file, and then its aliases.

    They are text, also where they are not UTF-8.
    """
    others = (os.fsencode(name).decode(errors="replace") for name in aliases)
    return tuple(dict.fromkeys([client_name(file), *others]))


def _check_key(api_key: str | None) -> None:
    if api_key is not None and not (
        api_key.isascii() and api_key.isprintable() and api_key.strip() == api_key != ""
    ):
        raise UsageError(
            "The API key is empty, or has characters that an HTTP header can't carry.",
            "Use ASCII letters, digits and punctuation.",
        )


def _origin(value: str) -> str:
    """Return an origin as browsers send it.

    Raises:
        UsageError: it is not an origin, or can't be allowed.
    """
    if value == "*":
        return value
    if value == "null":
        raise UsageError(
            "--allow-origin can't be null: pages of many sites can have that origin.",
            "Serve your page over HTTP, for example with `python3 -m http.server`.",
        )
    scheme, separator, host = value.lower().partition("://")
    host = host.removesuffix(_DEFAULT_PORTS.get(scheme, ""))
    if not (separator and _SCHEME.fullmatch(scheme) and _HOST.fullmatch(host)):
        raise UsageError(
            f"{value} is not an origin.",
            "Use a scheme, a host and maybe a port, such as http://localhost:3000.",
        )
    return f"{scheme}://{host}"


def _check_access(address: "Address", no_auth: bool) -> None:
    if no_auth and address.api_key is not None:
        raise UsageError(
            "--no-auth and an API key can't be combined.",
            "Leave out --no-auth, or unset the key (--api-key, DISTIL_API_KEY).",
        )
    if not (address.is_loopback or no_auth or address.api_key):
        raise UsageError(
            f"Other machines can reach {address.host}, and there is no API key.",
            "Set DISTIL_API_KEY, or use --no-auth to allow access without a key.",
        )
