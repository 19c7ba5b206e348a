"""Series and sizes in, cells out.  No app, no widget."""
