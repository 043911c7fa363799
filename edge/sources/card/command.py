"""List capture cards: formats, sizes, rates, what arrives, USB speed, and who has them open."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from edge.errors import UnavailableError
from edge.sources.card.kernel import Linux
from edge.sources.card.listing import Card, list_cards

_SHOWN = 6  # sizes of a format, and formats that are not taken; there are cards with dozens
_HIGH_SPEED = 480


def main(args: argparse.Namespace) -> int:
    """Print what there is."""
    cards = list_cards(Linux())
    if args.json:
        print(json.dumps([asdict(card) for card in cards]))
        return 0 if cards else UnavailableError.exit_code
    if not cards:
        raise UnavailableError(
            "no capture card found: there is no /dev/video* that captures pictures. Plug it in; "
            "if `lsusb` or `lspci` shows it, its driver is missing"
        )
    print("\n\n".join(describe(card) for card in cards))
    return 0


def describe(card: Card) -> str:
    """A card as some lines of text."""
    lines = [
        card.source,
        f"  {card.node}" + (f"  {card.card} ({card.driver}, {card.bus})" if card.card else ""),
    ]
    if card.problem:
        lines.append(f"  {card.problem}")
    if card.receives:
        lines.append(f"  receives {card.receives}" + (f"; {card.timings}" if card.timings else ""))
    if card.usb_mbit is not None:
        slow = (
            ": too slow for uncompressed Full HD; use a blue USB 3 port"
            if card.usb_mbit <= _HIGH_SPEED
            else ""
        )
        lines.append(f"  USB at {card.usb_mbit:g} Mbit/s{slow}")
    if card.held_by:
        lines.append(f"  in use by {', '.join(card.held_by)}")
    for name in dict.fromkeys(offer.format for offer in card.offers if offer.taken):
        offers = [offer for offer in card.offers if offer.format == name]
        sizes = [f"{o.width}x{o.height}" + (f" at {o.rate:g}" if o.rate else "") for o in offers[:_SHOWN]]
        more = f" and {len(offers) - _SHOWN} more" if len(offers) > _SHOWN else ""
        lines.append(f"  {name}  {', '.join(sizes)}{more}")
    others = list(dict.fromkeys(offer.format for offer in card.offers if not offer.taken))
    if others:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        lines.append(f"  not taken: {', '.join(others[:_SHOWN])}{more}")
    return "\n".join(lines)
