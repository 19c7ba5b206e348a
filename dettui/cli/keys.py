"""Show this machine's public key, and say whose probes `dettui listen` lets in.

Keys are only for TCP, which nothing uses unless you run `dettui listen`: runs of this host need none, and
`dettui HOST` goes over ssh with ssh's own keys.  The secret key stays in its file (mode 0600) on the machine that
made it; only public keys travel.

examples:
  dettui keys                                  this machine's public key (made where there is none), and who is allowed
  dettui keys allow 1f0c...9a gpu07            let in the machine whose `python -m dettui_probe.keys` printed that
  dettui keys revoke gpu07                     no longer, from one second later on
"""

from __future__ import annotations

import argparse

from dettui.errors import BadUsage
from dettui_probe import keys


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("action", nargs="?", choices=("show", "allow", "revoke"), default="show", help="default: show")
    parser.add_argument("key", nargs="?", metavar="KEY", help="a public key of 64 hex digits; for revoke also a name")
    parser.add_argument("name", nargs="?", metavar="NAME", help="what you call that machine")


def run(arguments: argparse.Namespace) -> int:
    """Show or change the keys; 0."""
    try:
        return _ACTIONS[arguments.action](arguments)
    except keys.KeysRefused as error:
        raise BadUsage(str(error)) from error


def _show(arguments: argparse.Namespace) -> int:
    print(f"this machine's public key\n  {keys.make_pair().public.hex()}")
    peers = keys.allowed()
    print(f"allowed ({keys.keys_dir() / 'allowed'})")
    print("\n".join(f"  {key}  {name}" for key, name in peers.items()) or "  nobody")
    return 0


def _allow(arguments: argparse.Namespace) -> int:
    if not arguments.key or not arguments.name:
        raise BadUsage("whose key, and what is that machine called?  dettui keys allow KEY NAME")
    keys.allow(arguments.key, arguments.name)
    print(f"allowed: {keys.allowed()[arguments.key]}")
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    if not arguments.key:
        raise BadUsage("whose?  dettui keys revoke NAME")
    gone = keys.revoke(arguments.key)
    if not gone:
        raise BadUsage(
            f"nobody is allowed by that key or name: known are {', '.join(keys.allowed().values()) or 'none'}"
        )
    print(f"revoked: {', '.join(gone.values())}")
    return 0


_ACTIONS = {"show": _show, "allow": _allow, "revoke": _revoke}
