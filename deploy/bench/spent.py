"""
Runs a command and prints on a last line of its own what it cost: `{"cpu_s": …, "peak_kib": …}`.

    python -m deploy.bench.spent COMMAND ARGUMENT…

A process of its own, and small: the kernel counts the memory of whoever starts a process as that
process's peak.
"""

import json
import os
import subprocess
import sys

if __name__ == "__main__":
    process = subprocess.Popen(sys.argv[1:])
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu_s = used.ru_utime + used.ru_stime
    print(json.dumps({"cpu_s": cpu_s, "peak_kib": used.ru_maxrss}), flush=True)
    sys.exit(process.returncode)
