"""Packages for build systems: each is built with the real tool where there is one, and its self-test is run.

Zephyr's and ESP-IDF's CMake functions are stood in for by the documented minimum of what they do with their arguments.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from model_folders import make_model_folder

from edgekd.codegen.exports import KINDS
from edgekd.contracts.board import load_board, resource
from edgekd.contracts.errors import ConfigError
from edgekd.emulate.compiler import compile_image
from edgekd.evaluate.exporting import export_package

pytest.importorskip("unicorn", reason="unicorn is not installed")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-O2", "-ffp-contract=off")
STAND_INS = Path(__file__).parent / "firmware" / "arduino"


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


def run(command: Sequence[str | Path], **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def tflite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An integer .tflite file with a matrix and an activation."""
    return make_model_folder(tmp_path_factory.mktemp("model"), "mlp", 8) / "head.tflite"


@pytest.fixture(scope="module", params=["run", "file"])
def source(request: pytest.FixtureRequest, tflite: Path) -> tuple[Path, str]:
    """A finished run or a .tflite file, and the name of its package."""
    if request.param == "file":
        return tflite, "head"
    return request.getfixturevalue("finished_run") / "out", "small"


def exported(source: tuple[Path, str], kind: str, folder: Path) -> Path:
    path = export_package(source[0], kind, folder)
    assert path == folder / source[1]
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_every_package_says_what_it_is_and_names_its_licence(
    kind: str, source: tuple[Path, str], tmp_path: Path
) -> None:
    folder = exported(source, kind, tmp_path)
    assert "Apache License" in (folder / "LICENSE").read_text()
    readme = (folder / "README.md").read_text()
    for heading in ("What it computes", "API", "Measured costs", "How it was verified", "Use it"):
        assert f"## {heading}\n" in readme
    assert "bytes of code and constants" in readme
    assert list((folder / "model").glob("*.tflite"))
    code = [path for path in folder.rglob("*") if path.suffix in (".c", ".h", ".ino")]
    carried = [path for path in code if path.name.startswith("edgekd_") or "self_test" in path.name]
    assert carried
    assert all("SPDX-License-Identifier: Apache-2.0" in path.read_text()[:200] for path in carried)
    assert str(tmp_path) not in readme


def test_exporting_twice_gives_equal_bytes(tflite: Path, tmp_path: Path) -> None:
    first, second = (export_package(tflite, "cmake", tmp_path / each) for each in "ab")
    files = [{path.relative_to(each): path.read_bytes() for path in each.rglob("*.*")} for each in (first, second)]
    assert files[0] == files[1]


def test_another_kind_is_refused(tflite: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--as npm is not known"):
        export_package(tflite, "npm", tmp_path)


@needs("gcc")
def test_plain_c_passes_its_self_test_and_finds_a_damaged_constant(source: tuple[Path, str], tmp_path: Path) -> None:
    folder = exported(source, "plain", tmp_path)

    def verdict() -> "subprocess.CompletedProcess[str]":
        sources = [*sorted((folder / "src").glob("*.c")), folder / "test" / "main.c"]
        run(["gcc", *STRICT, "-I", folder / "include", "-o", tmp_path / "self_test", *sources])
        return subprocess.run([tmp_path / "self_test"], capture_output=True, text=True, check=False)

    assert (verdict().returncode, verdict().stdout) == (0, f"{source[1]}: self-test PASS\n")
    vectors = next((folder / "include").glob("*_vectors.h"))
    lines = vectors.read_text().splitlines(keepends=True)
    last = max(n for n, line in enumerate(lines) if line.startswith("    ") and line.strip()[:1] in "-0123456789")
    lines[last] = lines[last].replace(lines[last].split(",")[0], "    99", 1)
    vectors.write_text("".join(lines))
    damaged = verdict()
    assert damaged.returncode == 1
    assert "self-test FAIL in window" in damaged.stdout


@needs("cmake")
def test_cmake_builds_tests_installs_and_is_found(source: tuple[Path, str], tmp_path: Path) -> None:
    folder, name = exported(source, "cmake", tmp_path), source[1]
    build, prefix = tmp_path / "build", tmp_path / "prefix"
    run(["cmake", "-S", folder, "-B", build, f"-DCMAKE_INSTALL_PREFIX={prefix}"])
    run(["cmake", "--build", build])
    assert "100% tests passed" in run(["ctest", "--test-dir", build])
    run(["cmake", "--install", build])
    user = tmp_path / "user"
    user.mkdir()
    shutil.copy(folder / "test" / "main.c", user)
    (user / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.13)\nproject(user C)\nfind_package({name} REQUIRED)\n"
        f"add_executable(user main.c)\ntarget_link_libraries(user PRIVATE {name}::{name})\n"
    )
    run(["cmake", "-S", user, "-B", user / "build", f"-DCMAKE_PREFIX_PATH={prefix}"])
    run(["cmake", "--build", user / "build"])
    assert run([user / "build" / "user"]) == f"{name}: self-test PASS\n"


@needs("g++")
def test_an_arduino_library_has_its_layout_and_its_example_passes(source: tuple[Path, str], tmp_path: Path) -> None:
    folder, name = exported(source, "arduino", tmp_path), source[1]
    lines = (folder / "library.properties").read_text().splitlines()
    properties = dict(line.split("=", 1) for line in lines)
    needed = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"}
    assert needed <= set(properties)  # https://arduino.github.io/arduino-cli/latest/library-specification/
    assert (folder / "src" / properties["includes"]).is_file()
    objects = []
    for path in sorted((folder / "src").glob("*.c")):
        objects.append(tmp_path / f"{path.stem}.o")
        run(["gcc", *STRICT, "-I", folder / "src", "-c", path, "-o", objects[-1]])
    sketch = folder / "examples" / "SelfTest" / "SelfTest.ino"
    main = tmp_path / "main.cpp"
    main.write_text('#include "Arduino.h"\nvoid setup();\nvoid loop();\n' + sketch.read_text())
    stand_in = tmp_path / "serial.cpp"
    stand_in.write_text(
        '#include "Arduino.h"\n#include <cstdio>\nvoid setup();\nvoid loop();\nSerialLine Serial;\n'
        "void SerialLine::begin(unsigned long) {}\nvoid delay(unsigned long) {}\n"
        "size_t SerialLine::println(const char *text) { return static_cast<size_t>(std::puts(text)); }\n"
        "int main() { setup(); loop(); return 0; }\n"
    )
    run(["g++", "-I", folder / "src", "-I", STAND_INS, main, stand_in, *objects, "-o", tmp_path / "sketch"])
    assert run([tmp_path / "sketch"]) == f"{name}: self-test PASS\n"


ZEPHYR = """
cmake_minimum_required(VERSION 3.13)
project(zephyr_stand_in C)
set(CONFIG_{upper} y)
macro(zephyr_library_named name)
  add_library(${{name}} STATIC)
  set(current ${{name}})
endmacro()
macro(zephyr_library_sources)
  target_sources(${{current}} PRIVATE ${{ARGN}})
endmacro()
macro(zephyr_library_compile_options)
  target_compile_options(${{current}} PRIVATE ${{ARGN}})
endmacro()
macro(zephyr_include_directories)
  foreach(folder ${{ARGN}})
    target_include_directories(${{current}} PUBLIC ${{CMAKE_CURRENT_SOURCE_DIR}}/${{folder}})
  endforeach()
endmacro()
add_subdirectory({folder} module)
add_executable(app {folder}/samples/self_test/src/main.c)
target_link_libraries(app PRIVATE {name})
"""


@needs("cmake")
def test_a_zephyr_module_builds_by_the_documented_functions(source: tuple[Path, str], tmp_path: Path) -> None:
    folder, name = exported(source, "zephyr", tmp_path), source[1]
    module = yaml.safe_load((folder / "zephyr" / "module.yml").read_text())
    assert module == {"name": name, "build": {"cmake": ".", "kconfig": "Kconfig"}}
    assert f"config {name.upper()}\n\tbool" in (folder / "Kconfig").read_text()
    assert f"CONFIG_{name.upper()}=y" in (folder / "samples" / "self_test" / "prj.conf").read_text()
    assert "CONFIG_ZTEST=y" in (folder / "tests" / "self_test" / "prj.conf").read_text()
    app = tmp_path / "app"
    app.mkdir()
    (app / "CMakeLists.txt").write_text(ZEPHYR.format(upper=name.upper(), folder=folder, name=name))
    run(["cmake", "-S", app, "-B", app / "build"])
    run(["cmake", "--build", app / "build"])
    sample = yaml.safe_load((folder / "samples" / "self_test" / "sample.yaml").read_text())
    expected = sample["tests"][f"sample.{name}.self_test"]["harness_config"]["regex"][0]
    assert run([app / "build" / "app"]).strip() == expected


ESP_IDF = """
cmake_minimum_required(VERSION 3.13)
project(esp_idf_stand_in C)
macro(idf_component_register)
  cmake_parse_arguments(component "" "" "SRCS;INCLUDE_DIRS;REQUIRES" ${{ARGN}})
  get_filename_component(COMPONENT_LIB ${{CMAKE_CURRENT_SOURCE_DIR}} NAME)
  add_library(${{COMPONENT_LIB}} STATIC ${{component_SRCS}})
  target_include_directories(${{COMPONENT_LIB}} PUBLIC ${{component_INCLUDE_DIRS}})
  target_link_libraries(${{COMPONENT_LIB}} PUBLIC ${{component_REQUIRES}})
endmacro()
add_subdirectory({folder} component)
add_subdirectory({folder}/examples/self_test/main main)
file(WRITE ${{CMAKE_BINARY_DIR}}/start.c "void app_main(void); int main(void) {{ app_main(); return 0; }}")
add_executable(app ${{CMAKE_BINARY_DIR}}/start.c)
target_link_libraries(app PRIVATE main)
"""


@needs("cmake")
def test_an_esp_idf_component_builds_by_the_documented_function(source: tuple[Path, str], tmp_path: Path) -> None:
    folder, name = exported(source, "esp-idf", tmp_path), source[1]
    assert yaml.safe_load((folder / "idf_component.yml").read_text())["dependencies"] == {"idf": ">=5.0"}
    app = tmp_path / "app"
    app.mkdir()
    (app / "CMakeLists.txt").write_text(ESP_IDF.format(folder=folder))
    run(["cmake", "-S", app, "-B", app / "build"])
    run(["cmake", "--build", app / "build"])
    assert run([app / "build" / "app"]) == f"{name}: self-test PASS\n"


@needs("gcc")
def test_a_platformio_library_has_its_manifest_and_its_example_passes(source: tuple[Path, str], tmp_path: Path) -> None:
    folder, name = exported(source, "platformio", tmp_path), source[1]
    library = json.loads((folder / "library.json").read_text())
    assert {"name", "version", "description", "license"} <= set(library)  # docs.platformio.org, library.json
    assert (folder / library["build"]["includeDir"] / library["headers"]).is_file()
    example = folder / library["examples"][0]["base"] / library["examples"][0]["files"][0]
    sources = [*sorted((folder / library["build"]["srcDir"]).glob("*.c")), example]
    include = folder / library["build"]["includeDir"]
    run(["gcc", "-O2", *library["build"]["flags"].split(), "-I", include, "-o", tmp_path / "test", *sources])
    assert run([tmp_path / "test"]) == f"{name}: self-test PASS\n"


@needs("gcc")
def test_two_models_live_in_one_program(tflite: Path, finished_run: Path, tmp_path: Path) -> None:
    folders = [export_package(tflite, "plain", tmp_path), export_package(finished_run / "out", "plain", tmp_path)]
    sources = {path.name: path for folder in folders for path in (folder / "src").glob("*.c")}
    main = tmp_path / "main.c"
    main.write_text(
        '#include "head.h"\n#include "head_self_test.h"\n#include "small.h"\n#include "small_self_test.h"\n'
        "int main(void) { return head_self_test() + small_self_test(); }\n"
    )
    include = [flag for folder in folders for flag in ("-I", folder / "include")]
    run(["gcc", *STRICT, *include, "-o", tmp_path / "both", main, *sources.values()])
    run([tmp_path / "both"])


MAIN = """
#include "{name}_self_test.h"
static void call(int operation, const void *argument) {{
{semihosting}
}}
int main(void) {{
    static const unsigned int passed[] = {{0x20026u, 0}};
    call(4, {name}_self_test() == 0 ? "{name}: self-test PASS\\n" : "{name}: self-test FAIL\\n"); /* SYS_WRITE0 */
    {exit}
    return 0;
}}
"""
ARM = """    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");"""
RISCV = """    register int a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = argument;
    __asm__ volatile(".option push\\n.option norvc\\nslli x0, x0, 0x1f\\nebreak\\nsrai x0, x0, 7\\n.option pop"
                     : "+r"(a0) : "r"(a1) : "memory");"""
QEMU_BOARD = """
title: QEMU's mps2-an386
core: cortex-m4f
clock_hz: 25_000_000
flash_origin: 0
flash_bytes: 4194304
sketch_flash_bytes: 4194304
ram_origin: 0x20000000
ram_bytes: 65536
active_current_ma: 1
supply_v: 1
"""
RISCV_START = """
__asm__(".section .text.start\\n.globl _start\\n_start:\\nla sp, stack_top\\nla t0, bss_start\\nla t1, bss_end\\n"
        "1: bgeu t0, t1, 2f\\nsw zero, 0(t0)\\naddi t0, t0, 4\\nj 1b\\n2: call main\\n3: j 3b\\n");
"""
RISCV_LINK = """
ENTRY(_start)
SECTIONS {
  . = 0x80000000;
  .text : { *(.text.start) *(.text .text.*) }
  .rodata : { *(.rodata .rodata.* .srodata .srodata.*) }
  .data : { *(.data .data.* .sdata .sdata.*) }
  .bss : { . = ALIGN(4); bss_start = .; *(.bss .bss.* .sbss .sbss.* COMMON) . = ALIGN(4); bss_end = .; }
  . = ALIGN(16); . += 65536; stack_top = .;
}
"""


def printed_by_qemu(emulator: str, machine: str, image: Path) -> str:
    command = [emulator, "-M", machine, "-display", "none", "-serial", "none", "-monitor", "none", "-bios", "none"]
    command += ["-semihosting-config", "enable=on,target=native", "-kernel", str(image)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    return done.stdout + done.stderr


@needs("qemu-system-arm")
@needs("arm-none-eabi-gcc")
def test_the_self_test_passes_on_qemus_cortex_m4(source: tuple[Path, str], tmp_path: Path) -> None:
    folder, name = exported(source, "plain", tmp_path), source[1]
    board = tmp_path / "qemu.yaml"
    board.write_text(QEMU_BOARD.replace("_000_000", "000000"))
    main = tmp_path / "main.c"
    main.write_text(MAIN.format(name=name, semihosting=ARM, exit="call(0x18, (const void *)passed[0]);"))
    sources = [main, *sorted((folder / "src").glob("*.c"))]
    image = compile_image(sources, [folder / "include"], load_board(str(board)), tmp_path / "image.elf")
    assert printed_by_qemu("qemu-system-arm", "mps2-an386", image.path) == f"{name}: self-test PASS\n"


@needs("qemu-system-riscv32")
@needs("riscv64-unknown-elf-gcc")
def test_the_self_test_passes_on_qemus_rv32(source: tuple[Path, str], tmp_path: Path) -> None:
    folder, name = exported(source, "plain", tmp_path), source[1]
    (tmp_path / "main.c").write_text(
        RISCV_START + MAIN.format(name=name, semihosting=RISCV, exit="call(0x18, passed);")
    )
    (tmp_path / "link.ld").write_text(RISCV_LINK)
    harness = resource("firmware") / "harness"
    compiler = ["riscv64-unknown-elf-gcc", "-march=rv32imc", "-mabi=ilp32", "-O2", "-ffp-contract=off", "-nostdlib"]
    compiler += ["-ffreestanding", "-isystem", str(harness / "include"), "-I", str(folder / "include")]
    sources = [tmp_path / "main.c", harness / "memory.c", *sorted((folder / "src").glob("*.c"))]
    image = tmp_path / "image.elf"
    run([*compiler, "-T", tmp_path / "link.ld", "-o", image, *sources, "-lgcc"])
    assert printed_by_qemu("qemu-system-riscv32", "virt", image) == f"{name}: self-test PASS\n"
