"""Messages of python-can as frames: what the readers of ASC and BLF share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdgat.captures.frames import Frames

if TYPE_CHECKING:
    from can import Message


#: python-can's messages take half a kilobyte each
BLOCK = 1 << 13


def refusal(message: Message) -> str:
    """Why a message is no frame of classic CAN, empty if it is one."""
    if message.is_error_frame:
        return "an error frame, which is no traffic"
    if message.is_fd:
        return "a CAN FD frame"
    if message.arbitration_id >= 1 << 29:
        return f"ID {message.arbitration_id:X} of more than 29 bits"
    if not message.is_remote_frame and len(message.data) != message.dlc:
        return f"{len(message.data)} bytes, but the DLC says {message.dlc}"
    return ""


def frames_of(messages: list[Message]) -> Frames:
    """Make frames of messages that `refusal` has nothing against; none of them is labelled as injected."""
    frames = Frames.empty(len(messages))
    frames.label[:] = 0
    frames.payload[:] = 0
    for i, message in enumerate(messages):
        data = b"" if message.is_remote_frame else bytes(message.data)
        frames.timestamp[i] = message.timestamp
        frames.id[i] = message.arbitration_id
        frames.dlc[i] = len(data)
        frames.payload[i, : len(data)] = list(data)
    return frames
