"""Generated code as a package for a build system: one folder that builds, tests itself and says what it is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from edgekd import __version__
from edgekd.codegen.write import render
from edgekd.contracts.board import resource
from edgekd.contracts.sketchbook import PROPERTIES

Kind = Literal["arduino", "platformio", "cmake", "zephyr", "esp-idf", "plain"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Files = dict[str, str | bytes]


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Measured on one board; `how`: on which, with what compiler."""

    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    cycles: int
    ms: float
    how: str


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What goes into a package, whatever the build system is.

    files: C sources and headers by name, self-test and vectors included; models: what the code was generated from.
    computes, api, verified: sections of the README; tests: stored windows; unmeasured: why there are no costs.
    """

    name: str
    about: str
    files: Mapping[str, str | bytes]
    models: Mapping[str, bytes]
    computes: str
    api: str
    verified: str
    tests: int
    costs: Costs | None
    unmeasured: str = ""

    @property
    def sources(self) -> list[str]:
        """Names of the C files to compile."""
        return sorted(name for name in self.files if name.endswith(".c"))


def package(exported: Exported, kind: Kind) -> Files:
    """The files of a package, by their path in its folder."""
    own, use = {
        "arduino": _arduino,
        "platformio": _platformio,
        "cmake": _cmake,
        "zephyr": _zephyr,
        "esp-idf": _esp_idf,
        "plain": _plain,
    }[kind](exported)
    return own | {
        "LICENSE": (resource("firmware") / "LICENSE").read_bytes(),
        "README.md": render("export_readme.md.j2", **_readme(exported), use=use),
        **{f"model/{name}": content for name, content in exported.models.items()},
    }


def _readme(exported: Exported) -> dict[str, object]:
    return {
        "name": exported.name,
        "version": __version__,
        "about": exported.about,
        "computes": exported.computes,
        "api": exported.api,
        "verified": exported.verified,
        "tests": exported.tests,
        "costs": exported.costs,
        "unmeasured": exported.unmeasured,
    }


def _code(exported: Exported) -> Files:
    """Sources and headers in the folders that most build systems want."""
    code = dict(exported.files) | _costs(exported)
    return {f"{'src' if name.endswith('.c') else 'include'}/{name}": content for name, content in code.items()}


def _costs(exported: Exported) -> Files:
    if exported.costs is None:
        return {}
    return {f"{exported.name}_costs.h": render("export_costs.h.j2", name=exported.name, costs=exported.costs)}


def _main(exported: Exported, entry: str) -> str:
    return render("export_main.c.j2", name=exported.name, entry=entry)


def library_properties(name: str, sentence: str, paragraph: str, header: str) -> str:
    """Text of an Arduino library's library.properties. header: what a sketch includes."""
    properties = {
        "name": name,
        "version": __version__,
        "author": "edgekd",
        "maintainer": "edgekd",
        "sentence": sentence,
        "paragraph": paragraph,
        "category": "Data Processing",
        "url": "https://github.com",
        "architectures": "*",
        "includes": header,
    }
    return "".join(f"{key}={value}\n" for key, value in properties.items())


def _arduino(exported: Exported) -> tuple[Files, str]:
    name = exported.name
    files: Files = {f"src/{file}": content for file, content in (dict(exported.files) | _costs(exported)).items()}
    files[PROPERTIES] = library_properties(
        name, exported.about, "An integer network as plain C, with the kernels it uses and a self-test.", f"{name}.h"
    )
    files["examples/SelfTest/SelfTest.ino"] = render("export_arduino.ino.j2", name=name)
    return files, (
        "Arduino IDE: Sketch, Include Library, Add .ZIP Library, with this folder as a zip; or copy the folder to\n"
        "`libraries/` of your sketchbook. Then File, Examples, SelfTest."
    )


def _platformio(exported: Exported) -> tuple[Files, str]:
    name = exported.name
    library = {
        "name": name,
        "version": __version__,
        "description": exported.about,
        "license": "Apache-2.0",
        "frameworks": "*",
        "platforms": "*",
        "headers": f"{name}.h",
        "build": {"flags": "-ffp-contract=off", "srcDir": "src", "includeDir": "include"},
        "examples": [{"name": "self_test", "base": "examples/self_test", "files": ["main.c"]}],
    }
    files = _code(exported)
    files["library.json"] = json.dumps(library, indent=2) + "\n"
    files["examples/self_test/main.c"] = _main(exported, "main")
    return files, f"Copy this folder to `lib/{name}` of your project, or name it in `lib_deps`."


def _cmake(exported: Exported) -> tuple[Files, str]:
    name = exported.name
    files = _code(exported)
    files["CMakeLists.txt"] = render("export_cmake.txt.j2", name=name, version=__version__, sources=exported.sources)
    files["test/main.c"] = _main(exported, "main")
    return files, (
        f"```\ncmake -B build && cmake --build build && ctest --test-dir build && cmake --install build\n```\n\n"
        f"or `add_subdirectory({name})`; then `target_link_libraries(app PRIVATE {name}::{name})`."
    )


def _zephyr(exported: Exported) -> tuple[Files, str]:
    name = exported.name
    upper = name.upper()
    files = _code(exported)
    files["zephyr/module.yml"] = f"name: {name}\nbuild:\n  cmake: .\n  kconfig: Kconfig\n"
    files["CMakeLists.txt"] = render("export_zephyr_cmake.txt.j2", name=name, sources=exported.sources)
    files["Kconfig"] = (
        f'# SPDX-License-Identifier: Apache-2.0\nconfig {upper}\n\tbool "{name}, a network generated by edgekd"\n'
    )
    for folder, config in (("samples/self_test", ""), ("tests/self_test", "CONFIG_ZTEST=y\n")):
        files[f"{folder}/CMakeLists.txt"] = (
            "# SPDX-License-Identifier: Apache-2.0\ncmake_minimum_required(VERSION 3.20.0)\n"
            "list(APPEND ZEPHYR_EXTRA_MODULES ${CMAKE_CURRENT_SOURCE_DIR}/../..)\n"
            "find_package(Zephyr REQUIRED HINTS $ENV{ZEPHYR_BASE})\n"
            f"project({name}_self_test)\ntarget_sources(app PRIVATE src/main.c)\n"
        )
        files[f"{folder}/prj.conf"] = f"CONFIG_{upper}=y\n{config}"
    files["samples/self_test/src/main.c"] = _main(exported, "zephyr")
    files["samples/self_test/sample.yaml"] = (
        f"sample:\n  name: {name} self-test\ntests:\n  sample.{name}.self_test:\n    harness: console\n"
        f'    harness_config:\n      type: one_line\n      regex:\n        - "{name}: self-test PASS"\n'
    )
    files["tests/self_test/src/main.c"] = (
        "/* SPDX-License-Identifier: Apache-2.0 */\n#include <zephyr/ztest.h>\n\n"
        f'#include "{name}_self_test.h"\n\nZTEST_SUITE({name}, NULL, NULL, NULL, NULL, NULL);\n\n'
        f"ZTEST({name}, test_self_test) {{ zassert_equal({name}_self_test(), 0); }}\n"
    )
    files["tests/self_test/testcase.yaml"] = f"tests:\n  {name}.self_test:\n    tags: {name}\n"
    return files, (
        f"Add this folder to `ZEPHYR_EXTRA_MODULES` or to your manifest, and `CONFIG_{upper}=y` to `prj.conf`.\n"
        "`west build -b native_sim samples/self_test -t run` prints the verdict."
    )


def _esp_idf(exported: Exported) -> tuple[Files, str]:
    name = exported.name
    files = _code(exported)
    files["CMakeLists.txt"] = render("export_esp_idf_cmake.txt.j2", name=name, sources=exported.sources)
    files["idf_component.yml"] = (
        f'version: "{__version__}"\ndescription: {json.dumps(exported.about)}\nlicense: Apache-2.0\n'
        'dependencies:\n  idf: ">=5.0"\n'
    )
    files["examples/self_test/CMakeLists.txt"] = (
        "# SPDX-License-Identifier: Apache-2.0\ncmake_minimum_required(VERSION 3.16)\n"
        "set(EXTRA_COMPONENT_DIRS ${CMAKE_CURRENT_SOURCE_DIR}/../..)\n"
        f"include($ENV{{IDF_PATH}}/tools/cmake/project.cmake)\nproject({name}_self_test)\n"
    )
    files["examples/self_test/main/CMakeLists.txt"] = f'idf_component_register(SRCS "main.c" REQUIRES {name})\n'
    files["examples/self_test/main/main.c"] = _main(exported, "app_main")
    return files, (
        f"Copy this folder to `components/{name}` of your project.\n"
        "`idf.py set-target esp32c3 build flash monitor` in `examples/self_test` prints the verdict."
    )


def _plain(exported: Exported) -> tuple[Files, str]:
    files = _code(exported)
    files["test/main.c"] = _main(exported, "main")
    return (
        files,
        "```\ncc -std=c99 -O2 -ffp-contract=off -Iinclude -o self_test src/*.c test/main.c && ./self_test\n```",
    )
