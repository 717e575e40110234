"""Drain3 on one message a line, for comparison. Runs in an environment of its own, which `benchmarks.grouping` makes.

    python drain3_peer.py MESSAGES GROUPS [--entries]

Prints one JSON line: lines, CPU seconds, peak memory. The masks are those of Drain3's own example configuration. With
--entries the lines are LogEntry JSON, decoded by the standard library.
"""

import json
import resource
import sys
import time

from drain3 import TemplateMiner
from drain3.masking import MaskingInstruction
from drain3.template_miner_config import TemplateMinerConfig

MASKS = (
    (r"((?<=[^A-Za-z0-9])|^)(([0-9a-f]{2,}:){3,}([0-9a-f]{2,}))((?=[^A-Za-z0-9])|$)", "ID"),
    (r"((?<=[^A-Za-z0-9])|^)(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})((?=[^A-Za-z0-9])|$)", "IP"),
    (r"((?<=[^A-Za-z0-9])|^)([0-9a-f]{6,} ?){3,}((?=[^A-Za-z0-9])|$)", "SEQ"),
    (r"((?<=[^A-Za-z0-9])|^)([0-9A-F]{4} ?){4,}((?=[^A-Za-z0-9])|$)", "SEQ"),
    (r"((?<=[^A-Za-z0-9])|^)(0x[a-f0-9A-F]+)((?=[^A-Za-z0-9])|$)", "HEX"),
    (r"((?<=[^A-Za-z0-9])|^)([\-\+]?\d+)((?=[^A-Za-z0-9])|$)", "NUM"),
    (r"(?<=executed cmd )(\".+?\")", "CMD"),
)


def main() -> None:
    source, target = sys.argv[1:3]
    started = time.process_time()
    config = TemplateMinerConfig()
    config.masking_instructions = [MaskingInstruction(pattern, name) for pattern, name in MASKS]
    miner = TemplateMiner(None, config)
    count = 0
    with (
        open(source, encoding="utf-8", newline="\n") as lines,
        open(target, "w", encoding="utf-8") as out,
    ):
        for line in lines:
            message = json.loads(line)["textPayload"] if "--entries" in sys.argv else line.rstrip("\n")
            out.write(f"{miner.add_log_message(message)['cluster_id']}\n")
            count += 1
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cases": count, "seconds": round(seconds, 3), "peak_rss_mb": round(peak, 1)}))


if __name__ == "__main__":
    main()
