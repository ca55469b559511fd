"""What is right for a file."""

import bisect
from dataclasses import dataclass, field


@dataclass
class Expected:
    """
    Times are in seconds of what is made. `frames`: (from when it is shown, time in the source in hundredths) of every picture, in
    order; None where the pictures have no marks. `sound`: (from, to, time in the source at `from`) of what is heard, silence
    elsewhere; None where the sound has no marks. `blurred`: spans in which anything may be seen and heard.
    """

    state: str = "ready"
    # Words of which the reason of a failure has one.
    reason: tuple = ()
    duration: float = None
    duration_tolerance: float = 0.2
    frames: list = None
    sound: list = None
    has_sound: bool = None
    tolerance: float = 0.1
    blurred: list = field(default_factory=list)
    # Words that video_info has.
    notes: tuple = ()
    size: tuple = None
    # Hertz of the whole sound, where it is one tone.
    pitch: float = None
    # Whether the bars have their colours.
    colours: bool = False
    # Pictures of testsrc2 that were tagged as HDR.
    hdr: bool = False
    # Whether fields of two times are right.
    combs: bool = False
    # What testsrc2 makes in these sizes and rates is seen, from second to second: (size, rate, [(from, to, source time)]).
    test_source: tuple = None
    text: str = ""

    def is_blurred(self, moment):
        return any(start <= moment <= end for start, end in self.blurred)

    def shown(self, moment, tolerance):
        """The times in the source of pictures that may be seen."""
        times = [start for start, _ in self.frames]
        first = max(0, bisect.bisect_right(times, moment - tolerance) - 1)
        last = max(first + 1, bisect.bisect_right(times, moment + tolerance))
        return [code for _, code in self.frames[first:last]]

    def heard(self, moment, tolerance):
        """The numbers of half seconds of the source that may be heard; None among them: silence."""
        steps = set()
        for point in (moment - tolerance, moment, moment + tolerance):
            for start, end, source in self.sound:
                if start <= point < end:
                    steps.add(int((source + point - start) / 0.5 + 1e-6))
                    break
            else:
                steps.add(None)
        return steps
