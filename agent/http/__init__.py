"""What every request passes through between the server and its route.

Authentication, middleware, parameters, failures (`errors.py`), the OpenAPI document, and the cache that
makes an answer once per Snapshot (`response_cache.py`). `endpoint.py` is the form in which a route declares
itself, `web.py` serves the files of the page, and `shared_state.py` is the object that all routes share.
"""
