"""The agent: one process per user and host that follows every run and serves any number of viewers.

``post`` and ``service`` bring ZeroMQ, for probes and viewers of this host.  Everything else uses the standard library
only and runs under Python 3.8, for ``stdio`` and all that it imports is also sent to hosts that have nothing more
(``dettui.feed.ssh.bundle``).
"""
