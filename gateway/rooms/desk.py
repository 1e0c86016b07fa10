"""All that the doors ask of the emergency rooms, put together over one register."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.clock import Clock
from gateway.live import LiveHub
from gateway.rooms.camera_steering import CameraSteering
from gateway.rooms.engine import MediaEngine
from gateway.rooms.links import Links
from gateway.rooms.media_reports import MediaReports
from gateway.rooms.member_media import MemberMedia
from gateway.rooms.orders import Orders
from gateway.rooms.plans import Plans
from gateway.rooms.recordings import Recordings
from gateway.rooms.register import RoomRegister
from gateway.rooms.restoring import Restoring
from gateway.rooms.ringing import Ringing
from gateway.rooms.standing_orders import StandingOrders
from gateway.rooms.steering import Steering
from gateway.rooms.talk import Talk
from gateway.rooms.terminals import Terminals
from gateway.storage.database import Database
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.vault import Vault


@dataclass(frozen=True, slots=True)
class RoomDesk:
    """One part for each thing that people do with rooms."""

    register: RoomRegister
    media: MemberMedia
    reports: MediaReports
    restoring: Restoring
    steering: Steering
    talk: Talk
    orders: Orders
    links: Links
    plans: Plans
    terminals: Terminals
    recordings: Recordings
    cameras: CameraSteering
    ringing: Ringing
    standing_orders: StandingOrders

    @classmethod
    def over(
        cls, db: Database, engine: MediaEngine, live: LiveHub, clock: Clock, files: EvidenceFiles, vault: Vault,
        recordings: Path,
    ) -> RoomDesk:  # fmt: skip
        """``recordings``: the folder into which the room worker writes; ``files`` may take out of it."""
        register = RoomRegister(db, engine, live, clock)
        records = register.records
        reports = MediaReports(records)
        terminals = Terminals(db, vault, clock)
        ringing = Ringing(register, engine, terminals)
        return cls(
            register=register,
            media=MemberMedia(records),
            reports=reports,
            restoring=Restoring(records, reports),
            steering=Steering(register),
            talk=Talk(records, files),
            orders=Orders(records),
            links=Links(records),
            plans=Plans(db, clock),
            terminals=terminals,
            recordings=Recordings(records, files, recordings),
            cameras=CameraSteering(records),
            ringing=ringing,
            standing_orders=StandingOrders(register, ringing),
        )
