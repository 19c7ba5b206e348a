"""Runs of other hosts, each over one ``ssh`` of the user's own: its config, its agent, its known hosts.

Nothing has to be installed there.  The agent is sent over the connection as one program of the standard library
(``bundle``, ``loader``) and speaks the local agent's protocol on its standard input and output; it ends with them.
"""
