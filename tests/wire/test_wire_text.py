"""WIRE.md and the code say the same."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from dettui_probe import framing, kinds, registry, tags, wire

TEXT = (Path(__file__).resolve().parents[2] / "probe" / "WIRE.md").read_text(encoding="utf-8")
MESSAGES = (wire.Hello, wire.Tags, wire.Batch, wire.Counts, wire.Event, wire.Model, wire.Beat, wire.Bye, wire.Pictures)


def rows_under(heading: str) -> list[list[str]]:
    """Cells of the table under *heading*, without its head."""
    body = re.split(r"^#+ ", TEXT.split(heading + "\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in body.splitlines() if line.startswith("|")]
    return [[_cell(text) for text in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def _cell(text: str) -> str:
    return text.strip().strip("`").replace(r"\|", "|")


def test_the_text_states_the_version_of_the_code() -> None:
    assert TEXT.startswith(f"# The wire, version {wire.MAJOR}.{wire.MINOR}\n")


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_every_message_is_specified_with_its_tag_and_its_fields_in_order(message: type[wire.Message]) -> None:
    heading = f"### `{message.__struct_config__.tag}` — {message.__name__}"
    assert [row[0] for row in rows_under(heading)] == list(message.__struct_fields__)


@pytest.mark.parametrize("part", [wire.Block, wire.Picture], ids=lambda part: part.__name__)
def test_a_part_of_a_message_is_specified_with_its_fields_in_order(part: type[wire.Message]) -> None:
    assert [row[0] for row in rows_under(f"### {part.__name__}")] == list(part.__struct_fields__)


def test_the_text_specifies_no_message_that_the_code_does_not_have() -> None:
    specified = set(re.findall(r"^### `\w+` — (\w+)$", TEXT, flags=re.MULTILINE))
    assert specified == {message.__name__ for message in MESSAGES}


def test_every_message_that_decodes_is_among_those_compared_here() -> None:
    assert set(MESSAGES) == set(wire.AnyMessage.__args__)


def test_every_tag_of_the_vocabulary_is_in_the_text_and_no_other() -> None:
    assert rows_under("## 7. Tags") == [[tag.name, tag.unit, tag.meaning] for tag in tags.VOCABULARY]


def test_every_kind_of_event_is_in_the_text_and_no_other() -> None:
    assert rows_under("## 6. Kinds of events") == [list(row) for row in kinds.EVENTS.items()]


def test_the_frame_is_laid_out_as_the_text_says() -> None:
    sizes = [row[0] for row in rows_under("## 2. Frames")]
    assert sizes == ["4", "4", "4", "8", "length"]
    assert framing.HEAD_BYTES == 4 + 4 + 4 + 8
    assert framing.SYNC.hex(" ") in TEXT
    assert str(framing.MAX_PAYLOAD) in TEXT
    assert repr(framing.MAGIC)[2:-1] in TEXT


def test_no_text_can_contain_the_sync_marker() -> None:
    with pytest.raises(UnicodeDecodeError):
        framing.SYNC.decode("utf-8")


def test_the_fields_of_a_registry_entry_are_in_the_text() -> None:
    for field in (*msgspec.structs.fields(registry.Entry), *msgspec.structs.fields(registry.Announcement)):
        assert f"`{field.encode_name}`" in TEXT
