"""Turns a pile of video into a training set: `python -m preprocess source=… data_root=… out=…`."""
