"""The path of a request as the router sees it: without what is mounted in front of it.

Whoever decides by path must see the same one as the router, or a request could be let through as one thing
and answered as another. Starlette has no public name for it, so its own function is taken, here alone.
"""

from starlette._utils import get_route_path

__all__ = ["get_route_path"]
