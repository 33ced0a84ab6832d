"""The use cases, one function each: what the viewer, the command line and scripts call.

``training``, ``prediction``, ``evaluation`` and ``models`` hold them; each loads only
what it needs, so that scores are computed without torch. The ``iter_`` functions yield
events and return a result; the others run them to the end.
"""
