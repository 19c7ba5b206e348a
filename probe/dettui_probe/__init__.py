"""What runs inside the training process.

    import dettui_probe as probe

    run = probe.watch(model, optimizer, class_names=names)

Importing this package loads neither torch nor numpy.
"""

__version__ = "0.1.0"
