"""What administrators have done to a running cluster: plans, and work that takes minutes (apply, scale, upgrade) as *operations*.

Neutral of substrates: an operation writes the spec where the substrate keeps it (``document.SpecDocument``), and the reconcile loop does
the rest. Each step looks at what is, so an operation goes on where it was after the controller was killed.
"""
