"""XML of others, read with bounds: no document type, hence no entities to expand."""

import xml.etree.ElementTree as ET

from tapelight.errors import Rejected

Element = ET.Element
DOCUMENT_TYPE = b"<!DOCTYPE"


def parse(body: bytes) -> Element:
    """Return the root of a document; raises Rejected for what is none, or bears a document type."""
    if b"\x00" in body or DOCUMENT_TYPE in body.upper():
        raise Rejected("The answer is no plain XML: it has a document type, or is not UTF-8.")
    try:
        return ET.fromstring(body)  # noqa: S314 - without a document type: see above
    except (ET.ParseError, ValueError, LookupError) as error:
        raise Rejected(f"The answer is no XML: {error}.") from error


def text(element: Element, path: str) -> str:
    """Return the text at `path`, stripped; empty where there is none."""
    return (element.findtext(path) or "").strip()
