"""Losses that people write and ask about; `lossdoctor demo` examines them.

`classic.py` is an ordinary file of losses and `lossdoctor.toml` an ordinary configuration; nothing in lossdoctor
knows them.
"""
