"""The envelope of a successful answer."""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, Field

Data = TypeVar("Data")


class Success(BaseModel, Generic[Data]):
    """`{"code":0,"data":…}`: the envelope of a right answer."""

    code: Literal[0] = Field(description="0: success")
    data: Data = Field(description="the answer itself")


def success(data: Data) -> Success[Data]:
    """Wrap the answer."""
    return Success(code=0, data=data)
