"""The descriptive part of a camera record (一机一档) at the doors: asked, checked by the registry's tables, shown."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from camera_registry.errors import CameraRefused
from camera_registry.record import Description
from gateway.api.camera_network import refusal_of
from gateway.api.fields import one_line
from gateway.storage.tables.cameras import CameraRow

Short = Annotated[str, Field(max_length=12)]


class DescriptionShown(BaseModel):
    """The values of GB/T 28181's catalogue; empty: not known."""

    owner_unit: str
    division: str
    structure: str = Field(description="1 dome, 2 half dome, 3 fixed, 4 steerable gun.")
    position_type: str
    room_type: str = Field(description="1 outdoors, 2 indoors.")
    use_type: str = Field(description="1 public security, 2 traffic, 3 key site.")
    fill_light: str
    bearing: float | None = Field(description="Degrees clockwise from north.")
    confidentiality: str = Field(description="0 not confidential, 1 confidential.")

    @classmethod
    def of(cls, row: CameraRow) -> DescriptionShown:
        return cls.model_validate({one.name: getattr(row, one.name) for one in fields(Description)})


class DescriptionAsked(BaseModel):
    """As shown; what is left out is not known, or stays as it is."""

    model_config = ConfigDict(extra="forbid")

    owner_unit: Annotated[str, Field(max_length=100), one_line] = ""
    division: Short = ""
    structure: Short = ""
    position_type: Short = ""
    room_type: Short = ""
    use_type: Short = ""
    fill_light: Short = ""
    bearing: float | None = None
    confidentiality: Short = ""

    def checked(self, before: Description | None = None) -> Description:
        """With what ``before`` said of the fields left out. Refuses values the tables do not have, field named."""
        given = self.model_dump(include=self.model_fields_set)
        try:
            return Description(**{**asdict(before or Description()), **given})
        except CameraRefused as refused:
            raise refusal_of(CameraRefused(refused.cause, field=f"description.{refused.field}")) from refused

    def change(self, row: CameraRow) -> None:
        before = Description(**{one.name: getattr(row, one.name) for one in fields(Description)})
        for name, value in asdict(self.checked(before)).items():
            setattr(row, name, value)
