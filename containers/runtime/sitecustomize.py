"""What every start of the runtime's Python puts right, so that a rule's own command sees the image's environment."""

import os
import pwd

# Where the image sets no locale, Python sets LC_CTYPE for itself and for all that it starts.
if os.environ.get("LC_CTYPE") == "C.UTF-8":
    with open("/proc/self/environ", "rb") as given:  # noqa: PTH123 (pathlib would cost each start)
        if b"LC_CTYPE=C.UTF-8" not in given.read().split(b"\0"):
            del os.environ["LC_CTYPE"]

# A number alone may be the user: then nothing in the image names it, and getpass.getuser() fails.
if not any(os.environ.get(name) for name in ("LOGNAME", "USER", "LNAME", "USERNAME")):
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        os.environ["USER"] = f"u{os.getuid()}"
