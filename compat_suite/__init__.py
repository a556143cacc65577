"""The tutorial of ``tutorial.md``, run block by block as it stands, with what it says of each block asserted.

``python -m compat_suite`` runs it on jtorch, ``python -m compat_suite --backend torch`` the very same on torch.
"""
