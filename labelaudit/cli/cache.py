"""`labelaudit cache`: what is kept of images for later runs."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from typer import Argument

from labelaudit.cli.console import Console, printable
from labelaudit.cli.exit_codes import ending_in_exit_codes
from labelaudit.cli.options import AsJson, Quiet
from labelaudit.runtime.files import cache_folder
from labelaudit.units import format_bytes, format_count

CACHE_EXAMPLES = {
    "labelaudit cache info": "of which networks, how many images, how large",
    "labelaudit cache clear": "remove all of it",
}


def cache(
    action: Annotated[
        Literal["info", "clear"], Argument(metavar="ACTION", help="info: what is kept. clear: remove it.")
    ] = "info",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Show or remove what frozen networks have seen of images (--train head), which later runs need not compute.

    It is below LABELAUDIT_CACHE, or the user's cache folder. More than LABELAUDIT_CACHE_LIMIT GB (10 unless set) are
    not kept: what was used least recently goes first.
    """
    console = Console(quiet=quiet, as_json=as_json)
    with ending_in_exit_codes(console):
        from labelaudit.audit.feature_cache import cache_limit, cached_networks, clear_cache

        folder, limit = cache_folder() / "features", cache_limit()
        if action == "clear":
            freed = clear_cache()
            if console.as_json:
                console.json({"folder": str(folder), "freed": freed})
            else:
                console.written(f"{format_bytes(freed)} of cached features removed from {folder}")
            return
        networks = cached_networks()
        if console.as_json:
            console.json({"folder": str(folder), "limit": int(limit), "networks": [vars(one) for one in networks]})
            return
        total = format_bytes(sum(one.size for one in networks))
        console.written(f"{folder}: {total} of at most {format_bytes(int(limit))}")
        for one in networks:
            used = time.strftime("%Y-%m-%d", time.localtime(one.used))
            images = format_count(one.images, "image")
            console.written(f"  {printable(one.network)}: {images}, {format_bytes(one.size)}, last used {used}")
