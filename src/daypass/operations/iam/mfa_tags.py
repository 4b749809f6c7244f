"""The tags of virtual MFA devices.

Source: IAM API Reference, TagMFADevice, UntagMFADevice and ListMFADeviceTags.
"""

from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.mfa_devices import find_device
from daypass.operations.iam import tags as tagging
from daypass.operations.iam.action import Asked, Context, IamAction
from daypass.operations.iam.mfa_owned import get_device
from daypass.operations.iam.paging import Paged, page_of_values
from daypass.operations.iam.tags import Tag
from daypass.operations.operation import Touches
from daypass.operations.world import World


class _OneDevice(IamAction[Any]):
    """What the actions share: the serial number is the ARN, and the device's tags are condition keys."""

    def resource(self, asked: Any, caller: Caller, world: World) -> str:
        """Return the device's ARN."""
        serial: str = asked.serial_number
        return serial

    def context(self, asked: Any, caller: Caller, world: World) -> Context:
        """Return the device's tags, and those in the request."""
        device = find_device(world.reader, caller.account, asked.serial_number)
        present = {} if device is None else tagging.resource_tags(device.tags)
        return {**present, **self.in_request(asked)}

    def in_request(self, asked: Any) -> Context:
        """Return the condition keys of the tags in the request."""
        return {}


class _Tags(Asked, frozen=True):
    serial_number: str
    tags: tuple[Tag, ...]


class TagMFADevice(_OneDevice):
    """Adds tags to a device."""

    action, takes, reach = "TagMFADevice", _Tags, Touches.WRITES

    def in_request(self, asked: _Tags) -> Context:
        """Return the tags that the device will have."""
        return tagging.request_tags(asked.tags)

    def perform(self, asked: _Tags, caller: Caller, world: World) -> None:
        """Add them."""
        device = get_device(world.reader, caller.account, asked.serial_number)
        tags = tagging.merge_tags(device.tags, asked.tags, most=world.settings.quotas.tags, rule=tagging.FOLDED)
        records.replace(world.writer, msgspec.structs.replace(device, tags=tags))


class _Keys(Asked, frozen=True):
    serial_number: str
    tag_keys: tuple[str, ...]


class UntagMFADevice(_OneDevice):
    """Removes tags from a device."""

    action, takes, reach = "UntagMFADevice", _Keys, Touches.WRITES

    def in_request(self, asked: _Keys) -> Context:
        """Return the keys that shall go."""
        return tagging.tag_keys(asked.tag_keys)

    def perform(self, asked: _Keys, caller: Caller, world: World) -> None:
        """Remove them."""
        device = get_device(world.reader, caller.account, asked.serial_number)
        tags = tagging.drop_tags(device.tags, asked.tag_keys, rule=tagging.FOLDED)
        records.replace(world.writer, msgspec.structs.replace(device, tags=tags))


class _List(Paged, frozen=True):
    serial_number: str = ""


class ListMFADeviceTags(_OneDevice):
    """Lists the tags of a device."""

    action, takes = "ListMFADeviceTags", _List

    def perform(self, asked: _List, caller: Caller, world: World) -> dict[str, Any]:
        """Return a page of tags."""
        device = get_device(world.reader, caller.account, asked.serial_number)
        return page_of_values(
            tagging.show_tags(device.tags),
            asked,
            key=lambda tag: tag["Key"],
            show=lambda tag: tag,
            name="Tags",
        )


OPERATIONS = (TagMFADevice(), UntagMFADevice(), ListMFADeviceTags())
