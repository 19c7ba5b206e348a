"""Readers: a file, a folder or a Python object in, one ``Dataset`` and complaints about the rest out.

The usual libraries refuse a whole file for one bad row, or drop the row without a word; an audit must do neither, so
the rows are taken one by one here.
"""
