"""The path of a request as the router sees it: without the mount's prefix.

Code that decides by path must see the same path as the router, or a request could be admitted as one path and
answered as another. Starlette has no public function for it, so its private one is used, only here.
"""

from starlette._utils import get_route_path

__all__ = ["get_route_path"]
