"""HTTP: a thin edge over the client. No endpoint knows more than how to read a body and write an answer.

Lives here: `app` (the endpoints), `bodies` (what they take, with examples), `guard` (token and size, before a body is
read), `problems` (errors as sentences with a status), `server` (the process).
Reads: requests. Writes: answers; nothing else.
Does not belong here: anything a Python program would need too (client).
"""

from serving_layer.api.app import create_app
from serving_layer.api.server import serve

__all__ = ["create_app", "serve"]
