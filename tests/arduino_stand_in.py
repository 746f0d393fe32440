"""An arduino-cli that records how it is called and plays back what the real one prints."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

COMPILED = """\
Sketch uses 98344 bytes (10%) of program storage space. Maximum is 983040 bytes.
Global variables use 46120 bytes (17%) of dynamic memory, \
leaving 216024 bytes for local variables. Maximum is 262144 bytes.
"""
TOO_BIG = """\
Sketch uses 1682551 bytes (171%) of program storage space. Maximum is 983040 bytes.
Global variables use 65992 bytes (25%) of dynamic memory, \
leaving 196152 bytes for local variables. Maximum is 262144 bytes.
Sketch too big; see https://support.arduino.cc/hc/en-us/articles/360013825179 for tips on reducing it.
text section exceeds available space in board
Error during build: text section exceeds available space in board
"""
RAM_OVERFLOW = """\
/usr/lib/arm-none-eabi/bin/ld: region `RAM' overflowed by 18232 bytes
collect2: error: ld returned 1 exit status
Error during build: exit status 1
"""
NO_CORE = """\
Error during build: Platform 'arduino:mbed_nano' not found: platform not installed
Try running `arduino-cli core install arduino:mbed_nano`
"""
NO_LIBRARY = """\
battery_tflm.ino:9:10: fatal error: Chirale_TensorFlowLite.h: No such file or directory
 #include <Chirale_TensorFlowLite.h>
          ^~~~~~~~~~~~~~~~~~~~~~~~~~
compilation terminated.
Error during build: exit status 1
"""
BROKEN = """\
battery_native.ino:3:14: error: 'missing' was not declared in this scope
Error during build: exit status 1
"""
UPLOADED = """\
Performing 1200-bps touch reset on serial port /dev/ttyACM0
Waiting for upload port...
Device       : nRF52840-QIAA
Version      : Arduino Bootloader (SAM-BA extended) 2.0 [Arduino:IKXYZ]
Write 98344 bytes to flash (25 pages)
[==============================] 100% (25/25 pages)
Done in 3.898 seconds
"""
NO_BOOTLOADER = """\
Performing 1200-bps touch reset on serial port /dev/ttyACM0
Waiting for upload port...
No upload port found, using /dev/ttyACM0 as fallback
No device found on ttyACM0
Failed uploading: uploading error: exit status 1
"""
DENIED = """\
Cannot perform port reset: TOUCH: error during reset: opening port at 1200bps: Permission denied
Failed uploading: uploading error: exit status 1
"""
BUSY = """\
Cannot perform port reset: TOUCH: error during reset: opening port at 1200bps: Serial port busy
Failed uploading: uploading error: exit status 1
"""
PORT_AFTER: dict[str, str] | None = json.loads(os.environ.get("EDGEKD_TEST_PORT_AFTER", "null"))


def install(folder: Path, *, compile: tuple[int, str] = (0, COMPILED), upload: tuple[int, str] = (0, UPLOADED)) -> Path:
    """A folder with `arduino-cli` in it, which answers so."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "answers.json").write_text(json.dumps({"compile": compile, "upload": upload}))
    script = folder / "arduino-cli"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).resolve()} {folder} "$@"\n')
    script.chmod(0o755)
    return folder


def calls(folder: Path) -> list[list[str]]:
    """The arguments of every call so far."""
    path = folder / "calls"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def locales(folder: Path) -> list[dict[str, str | None]]:
    """The language that every call was told."""
    return [json.loads(line) for line in (folder / "locales").read_text().splitlines()]


def main() -> None:
    folder, arguments = Path(sys.argv[1]), sys.argv[2:]
    with (folder / "calls").open("a") as file:
        file.write(json.dumps(arguments) + "\n")
    with (folder / "locales").open("a") as file:
        file.write(json.dumps({key: os.environ.get(key) for key in ("LC_ALL", "LANG", "ARDUINO_LOCALE")}) + "\n")
    status, output = json.loads((folder / "answers.json").read_text())[arguments[0]]
    print(json.dumps(answer(arguments[0], status, output)), flush=True)
    os._exit(status)


def answer(command: str, status: int, output: str) -> dict[str, Any]:
    """The JSON of arduino-cli 1.x around what it prints."""
    if command == "upload":
        if status:
            return {"error": output.splitlines()[-1], "output": {"stdout": output, "stderr": ""}}
        return {"stdout": output, "stderr": "", "updated_upload_port": PORT_AFTER}
    sizes = [re.search(pattern, output) for pattern in (r"Sketch uses (\d+) bytes", r"variables use (\d+) bytes")]
    sections = [
        {"name": name, "size": int(size[1]), "max_size": 1}
        for name, size in zip(("text", "data"), sizes, strict=True)
        if size
    ]
    result = {"compiler_out": "", "compiler_err": output, "builder_result": {"executable_sections_size": sections}}
    return result | {"success": status == 0} | ({"error": output.splitlines()[-1]} if status else {})


if __name__ == "__main__":
    main()
