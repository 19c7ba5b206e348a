"""Rules that compare the ranks of one job, step number by step number.

Ranks are aligned by the number of the step and never by a clock: clocks of hosts differ.  A rule looks at steps that
every rank has told, so its answer at step t depends on nothing but what the ranks recorded up to t.
"""
