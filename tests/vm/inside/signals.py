"""Faults of the signal and of the card, rows 1 to 16."""

from __future__ import annotations

import time
from collections.abc import Callable

from inside import card
from inside.journal import now, wait
from inside.outcome import Outcome
from inside.scanner import OTHER_SIZE, SIZE, Scanner, slices_of
from inside.service import Service


def mode(number: int, dropped: int = 100) -> Callable[[], None]:
    """The signal goes; receivers stop or, with `dropped` 0, send noise."""
    return lambda: card.control(dv_timings_signal_mode=number, percentage_of_dropped_buffers=dropped)


def back() -> None:
    """The signal returns."""
    card.control(dv_timings_signal_mode=card.SIGNAL, percentage_of_dropped_buffers=0)


def cable_out(service: Service, _: Scanner) -> Outcome:
    return service.fault_and_cure(mode(card.NO_SIGNAL), back, "no signal")


def noise(service: Service, _: Scanner) -> Outcome:
    return service.fault_and_cure(mode(card.NO_SIGNAL, 0), back, "no signal")


def no_lock(service: Service, _: Scanner) -> Outcome:
    return service.fault_and_cure(mode(card.NO_LOCK), back, "no lock")


def unsupported(service: Service, _: Scanner) -> Outcome:
    return service.fault_and_cure(mode(card.OUT_OF_RANGE), back, "unsupported signal")


def interlaced(service: Service, _: Scanner) -> Outcome:
    """The scanner's output is set to 1080i; the message says what to set instead."""
    begin = now()
    outcome = service.fault_and_cure(
        lambda: card.receive(1920, 1080, "i"), lambda: card.receive(*SIZE), "unsupported signal"
    )
    service.journal.says(begin, "is interlaced; set the scanner to")
    return outcome


def resolution(service: Service, scanner: Scanner) -> Outcome:
    """The scanner changes its output's size, and later back."""
    slices_of(OTHER_SIZE)

    def change(size: tuple[int, int]) -> float:
        scanner.stop()
        return scanner.start(size)

    def note(size: tuple[int, int]) -> str:
        wait(lambda: card.captured_size() == size, f"a picture of {size[0]}x{size[1]}", 5)
        return f"the card delivers {size[0]}x{size[1]}"

    outcome = service.goes_on(lambda: change(OTHER_SIZE), lambda _: note(OTHER_SIZE))
    back = service.goes_on(lambda: change(SIZE), lambda _: note(SIZE))
    live = [one.live_s for one in (outcome, back) if one.live_s is not None]
    words = f"{outcome.seen}; and back: {', '.join(f'{seconds:.2f} s' for seconds in live)}"
    return Outcome(words, outcome.withheld_s, max(live, default=None))


def stall(service: Service, _: Scanner) -> Outcome:
    def drop(percent: int) -> Callable[[], None]:
        return lambda: card.control(percentage_of_dropped_buffers=percent)

    return service.fault_and_cure(drop(100), drop(0), "stalled")


def flagged(service: Service, _: Scanner) -> Outcome:
    def fault() -> None:
        for _ in range(20):  # vivid flags the next buffer of either queue, the card's or the scanner's
            card.control(inject_v4l2_buf_flag_error=1)
            time.sleep(0.1)

    def note(begin: float) -> str:
        return (
            service.journal.says(begin, "pictures flagged and not used")
            .text.partition("card: ")[2]
            .rstrip('"')
        )

    return service.goes_on(fault, note)


def frozen(service: Service, scanner: Scanner) -> Outcome:
    def freeze(on: bool) -> Callable[[], None]:
        return lambda: setattr(scanner, "frozen", on)

    return service.fault_and_cure(freeze(True), freeze(False), "frozen")


def black(service: Service, scanner: Scanner) -> Outcome:
    def blank(on: bool) -> Callable[[], None]:
        return lambda: setattr(scanner, "black", on)

    return service.fault_and_cure(blank(True), blank(False), "not ultrasound", "frozen")


def gaps(service: Service, _: Scanner) -> Outcome:
    def half() -> None:
        card.control(percentage_of_dropped_buffers=50)
        time.sleep(2)
        card.control(percentage_of_dropped_buffers=0)

    return service.goes_on(half)


def unplugged(service: Service, scanner: Scanner) -> Outcome:
    service.settle()
    return service.fault_and_cure(lambda: _pull(scanner), lambda: plug(scanner), "device lost")


def reset(service: Service, scanner: Scanner) -> Outcome:
    """A USB reset: out and in again within a moment."""

    def fault() -> float:
        _pull(scanner)
        return plug(scanner)

    service.settle()
    return service.goes_on(fault)


def _pull(scanner: Scanner) -> None:
    card.pull()
    scanner.stop()


def plug(scanner: Scanner) -> float:
    """The card is in its socket; when the scanner's signal was there, which vivid loses with the card."""
    card.plug()
    wait(lambda: card.node("vid-out"), "the card")
    return scanner.start()


def queue_error(service: Service, scanner: Scanner) -> Outcome:
    return _broken_queue(service, scanner, lambda: card.control(inject_vidioc_qbuf_error=1))


def fatal_error(service: Service, scanner: Scanner) -> Outcome:
    return _broken_queue(service, scanner, lambda: card.control(inject_fatal_streaming_error=1))


def _broken_queue(service: Service, scanner: Scanner, provoke: Callable[[], None]) -> Outcome:
    """The driver's errors meet the scanner's queue too, or first: vivid is both of them."""

    def fault() -> float:
        provoke()
        time.sleep(0.1)
        return scanner.sending()

    service.settle()
    return service.goes_on(fault)
