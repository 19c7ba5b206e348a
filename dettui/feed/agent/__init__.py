"""The local agent: one process per user and host that follows every run and serves any number of viewers.

``tail``, ``merge``, ``window``, ``peek``, ``discovery``, ``process``, ``liveness``, ``strand`` and ``session`` use the
standard library only and treat frames as opaque bytes, so that the same code can be sent to a host that has nothing
else.  ``protocol``, ``post`` and ``service`` bring msgspec and ZeroMQ.
"""
