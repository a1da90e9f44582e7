"""Where layers meet: the schemas of topics (`messages`) and of tables (`tables`), and the chain of ids (`ids`).

Layers never import each other; what one writes and another reads is declared here, once.
"""
