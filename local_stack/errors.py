"""What goes wrong in the local stack and is explained; each kind says in its docstring what to do."""


class StackError(RuntimeError):
    """The local stack cannot do what it was asked for.

    Operator action: do what the message says, then run the command again.
    """
