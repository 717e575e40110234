"""Are messages of one kind put into one group? Reads one message a line, writes one group id a line.

python -m benchmarks.grouping --messages FILE --groups OUT [--templates OUT]
"""

import argparse
import json
import resource
import sys
import time
from array import array
from pathlib import Path

from app.evidence.templates import TemplateMiner, render


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=Path, required=True)
    parser.add_argument("--groups", type=Path)
    parser.add_argument("--templates", type=Path)
    options = parser.parse_args()
    started = time.process_time()
    miner = TemplateMiner()
    add = miner.scope("").add
    shapes = array("L")
    with options.messages.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            shapes.append(add(line.rstrip("\n")))
    templates = [render(template) for template in miner.finish()]
    ids = {text: number for number, text in enumerate(sorted(set(templates)))}
    if options.groups:
        by_shape = [f"{ids[text]}\n" for text in templates]
        with options.groups.open("w", encoding="utf-8") as out:
            out.writelines(by_shape[shape] for shape in shapes)
    if options.templates:
        with options.templates.open("w", encoding="utf-8", newline="\n") as out:
            out.writelines(templates[shape] + "\n" for shape in shapes)
    print(
        json.dumps(
            {
                "cases": len(shapes),
                "groups": len(ids),
                "shapes": len(templates),
                "seconds": round(time.process_time() - started, 3),
                "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
