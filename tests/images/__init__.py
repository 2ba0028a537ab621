"""The images of ``images/``: what their files promise (here), and what they do once built (``test_built.py``, marker ``kubernetes``)."""
